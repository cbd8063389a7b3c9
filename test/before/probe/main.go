// Command probe is the agent's daemon with its real placing, joining, reporting, obeying and replacing of itself, on a machine that is a folder and whose steps hold at once. It is compiled
// in today's tree and in that of the version before: it may use what both have.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"syscall"

	"scaleio-framework/agent"
	"scaleio-framework/platform"
	"scaleio-framework/platform/fetch"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
	"scaleio-framework/systemd"
)

// version is set by the linker.
var version = "?"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("node", os.Getenv("PROBE_NODE"), "version", version)
	root := root(os.Getenv("PROBE_ROOT"))
	var err error
	switch what := os.Args[1]; what {
	case "unit":
		fmt.Print(systemd.AgentUnitText)
	case "place":
		err = place(ctx, root, log)
	case "run":
		err = daemon(ctx, root, log)
	default:
		err = errors.New("unknown: " + what)
	}
	if err != nil && !errors.Is(err, agent.ErrRestart) {
		log.Error("ending", "err", err)
		os.Exit(1)
	}
}

// place is what the Mesos task does.
func place(ctx context.Context, root root, log *slog.Logger) error {
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	want, err := agent.PlacementFrom(os.Getenv, binary, []byte(systemd.AgentUnitText))
	if err != nil {
		return err
	}
	placer := agent.Placer{Files: root.files(), Units: units{}, Log: log, Read: func(path string) (io.ReadCloser, error) { return os.Open(path) }}
	return placer.Place(ctx, want)
}

func daemon(ctx context.Context, root root, log *slog.Logger) error {
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	here := newMachine(os.Getenv("PROBE_NODE"), os.Getenv("PROBE_ADDRESS"), os.Getenv("PROBE_SYSTEM"))
	a, err := agent.New(agent.Options{
		Version: version, Identity: api.Identity{ID: here.node, Hostname: here.node}, Facts: agent.Facts{BootID: "boot-" + here.node}, Files: root.files(), Steps: here, Leader: leading{here},
		Connect: connect, Join: join, Notify: func(string) {}, Reached: func(string) {}, Log: log, Listen: "127.0.0.1:0", Socket: filepath.Join(string(root), "agent.sock"),
		Replacer: &agent.Replacer{Files: root.files(), Units: units{}, Download: root, Commands: root, Chmod: root.chmod, SHA256: path.Base(path.Dir(binary)), Unit: systemd.AgentUnitText, Log: log},
	})
	if err != nil {
		return err
	}
	go here.looks(ctx, a.LookNow)
	return a.Run(ctx)
}

func connect(to agent.Target, certificate tls.Certificate) (agent.Scheduler, error) {
	return client.NewAgent(client.Options{Servers: to.Servers, Cluster: to.Cluster, CA: to.CA, Certificate: &certificate})
}

func join(ctx context.Context, to agent.Target, request api.JoinRequest) (api.JoinAnswer, error) {
	caller, err := client.NewAgent(client.Options{Servers: to.Servers, Cluster: to.Cluster, CA: to.CA})
	if err != nil {
		return api.JoinAnswer{}, err
	}
	defer caller.Close()
	return caller.Join(ctx, request)
}

// root is the folder below which the machine's files lie.
type root string

func (r root) files() *platform.Files { return platform.NewFiles(platform.Root(r)) }

func (r root) chmod(file string, mode os.FileMode) error {
	return os.Chmod(filepath.Join(string(r), file), mode)
}

// Fetch a file to below it.
func (r root) Fetch(ctx context.Context, want fetch.File) error {
	want.Path = filepath.Join(string(r), want.Path)
	return (&fetch.Fetcher{}).Fetch(ctx, want)
}

// Run a program from below it.
func (r root) Run(ctx context.Context, cmd platform.Cmd) (platform.Output, error) {
	cmd.Path = filepath.Join(string(r), cmd.Path)
	return platform.Runner{}.Run(ctx, cmd)
}

// units of a machine whose PID 1 is the test: it starts the daemon and starts it again.
type units struct{}

func (units) State(context.Context, string) (systemd.UnitState, error) {
	return systemd.UnitState{Load: "loaded", Active: "inactive"}, nil
}
func (units) Reload(context.Context) error              { return nil }
func (units) Enable(context.Context, string) error      { return nil }
func (units) Start(context.Context, string) error       { return nil }
func (units) Restart(context.Context, string) error     { return nil }
func (units) Stop(context.Context, string) error        { return nil }
func (units) ResetFailed(context.Context, string) error { return nil }

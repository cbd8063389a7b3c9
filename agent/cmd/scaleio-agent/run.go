package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"scaleio-framework/agent"
	"scaleio-framework/agent/leader"
	"scaleio-framework/installer"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/platform/pkgmgr"
	"scaleio-framework/platform/uevent"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
)

// localGateway: goscaleio is used on the leader's own node only; the port needs root, so whoever answers there is the gateway.
const localGateway = "https://127.0.0.1"

// gcPercent keeps the heap small: a node at rest makes little garbage, so what it saves costs next to nothing. GOGC in the environment overrides it.
const gcPercent = 50

func runCommand(log func() *slog.Logger) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Be the daemon (" + agent.Unit + ")",
		Long:  "run keeps this node what the scheduler's spec says, and goes on by the last one without a scheduler. It reads " + agent.ConfigFile + ",\nand waits (NotJoined) while that, or a token, isn't there.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(gcPercent)
			}
			l := log()
			a, err := build(cmd.Context(), l)
			if err != nil {
				return err
			}
			lookOnHangup(cmd.Context(), a)
			err = a.Run(cmd.Context())
			if errors.Is(err, agent.ErrRestart) {
				l.Info(err.Error())
				if errors.Is(err, agent.ErrNewRoots) {
					err = beginAnew(cmd.Context())
					l.Warn("beginning anew in the same process; systemd starts the next one", "err", err)
				}
				return nil // the unit has Restart=always
			}
			return err
		},
	}
}

// beginAnew as the same process: to systemd, and to the Mesos task that mirrors the unit, nothing ended. It returns only when that failed, or when this process is to end.
func beginAnew(ctx context.Context) error {
	binary, err := os.Executable() // by its own name: /proc/self/exe would call the process "exe"
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGHUP)                 // until the next one listens to it: it begins with a look as it is
	signal.Reset(syscall.SIGTERM, syscall.SIGINT) // what came before ended ctx, what comes now ends the process
	if ctx.Err() != nil {
		return ctx.Err()
	}
	notify("WATCHDOG=1") // which goes on: the next one's first word may take it a while
	return syscall.Exec(binary, os.Args, os.Environ())
}

// lookOnHangup: `systemctl reload scaleio-agent` is a person's "look now". Without it the signal would end the process.
func lookOnHangup(ctx context.Context, a *agent.Agent) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-asked:
				a.LookNow()
			}
		}
	}()
}

// build makes the daemon of the real parts.
func build(ctx context.Context, log *slog.Logger) (a *agent.Agent, err error) {
	if os.Geteuid() != 0 {
		return nil, &codedError{exitUsage, errors.New("run needs root: it installs packages and reads raw disks")}
	}
	facts, err := platform.ReadFacts("/", platform.SystemEnv())
	if err != nil {
		return nil, err
	}
	log.Info("platform", "evidence", facts.Evidence)
	files := platform.NewFiles("/")
	here, err := cloudOf(files, facts, log)
	if err != nil {
		return nil, &codedError{exitUsage, err}
	}
	identity, err := agent.Identify(ctx, facts, files, here.asAgents(), log)
	if err != nil {
		return nil, &codedError{exitUsage, err}
	}
	if err := pkgmgr.Clean(files); err != nil {
		return nil, err
	}
	replacer, err := replacer(facts, files, log)
	if err != nil {
		return nil, err
	}
	artifacts := &artifactClient{}
	steps := installer.New(system(facts, log, here.asInstallers()), installer.Options{Log: log, ArtifactClient: artifacts.client(), Servers: func() []string { return a.Servers() }, Noticed: func() { a.Noticed() },
		CLI: scaleio.NewCLI(platform.Runner{}, scaleio.Options{Home: agent.StateDir})})
	options := agent.Options{
		Version: version, Identity: identity, Cloud: here.asAgents(), Facts: agent.Facts{BootID: facts.BootID, Uptime: platform.Uptime}, Files: files, Log: log, Reached: dieAt(os.Getenv(envDieAt)),
		Listen: fmt.Sprintf(":%d", api.NodePort), Socket: agent.Socket, Notify: notify, DiskChanges: uevent.Disks,
		Steps: steps, Owned: steps.OwnedVolumes,
		Leader:  leader.New(leader.Scli(scaleio.NewCLI(platform.Runner{}, scaleio.Options{Home: agent.StateDir})), leader.Local(localGateway, &http.Client{Timeout: scaleio.CallTimeout}), log),
		Connect: artifacts.connect, Join: join, Find: client.Find, Knock: client.Knock, Replacer: replacer,
	}
	a, err = agent.New(options)
	return a, err
}

// join calls the scheduler before there is a certificate.
func join(ctx context.Context, to agent.Target, request api.JoinRequest) (api.JoinAnswer, error) {
	caller, err := client.NewAgent(client.Options{Servers: to.Servers, Cluster: to.Cluster, CA: to.CA})
	if err != nil {
		return api.JoinAnswer{}, err
	}
	defer caller.Close()
	return caller.Join(ctx, request)
}

// notify tells systemd; outside systemd it does nothing.
func notify(state string) {
	_, _ = daemon.SdNotify(false, state)
}

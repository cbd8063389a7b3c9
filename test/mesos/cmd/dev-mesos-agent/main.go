// Command dev-mesos-agent is a stand-in for mesos-agent: it runs command tasks
// for real, for a dev master.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"scaleio-framework/test/mesos/agent"
	"scaleio-framework/test/mesos/cgroup"
	"scaleio-framework/test/mesos/executor"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "dev-mesos-agent:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dev-mesos-agent",
		Short: "A stand-in for a Mesos agent (not Apache Mesos)",
		Long: "A stand-in for a Mesos agent (not Apache Mesos). Flags are also read from files in\n" +
			"/etc/mesos-agent and /etc/mesos-slave (name = flag, content = value) and the master's\n" +
			"address from /etc/mesos/zk, as the packages' start script does.",
		Args:         cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
	}
	values := map[string]*string{}
	for name, text := range map[string]string{
		"master": "host:port of the dev master", "ip": "this node's address", "hostname": "name to offer (default ip)",
		"port": "port of the operator reads (default 5051)", "attributes": "name:value;...", "resources": "cpus:4;mem:4096;...",
		"work_dir": "sandboxes and checkpoints (default /var/lib/mesos)", "runtime_dir": "socket for executors (default /var/run/mesos)",
		"isolation": "isolators; docker/volume needs filesystem/linux and dvdcli", "credential": "taken, not used",
		"docker_volume_checkpoint_dir": "checkpoints of docker/volume (default /var/run/mesos/isolators/docker/volume)",
	} {
		values[name] = cmd.Flags().String(name, "", text)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		set := map[string]string{}
		for name, value := range values {
			if cmd.Flags().Changed(name) {
				set[name] = *value
			}
		}
		return run(cmd.Context(), set)
	}
	cmd.AddCommand(executorCommand())
	return cmd
}

func run(ctx context.Context, set map[string]string) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	log.Info("this is a stand-in for a Mesos agent, not Apache Mesos", "version", agent.Version)
	flags, err := agent.ReadFlags(agent.FlagDirs, "/etc/mesos/zk", set)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("finding the own program: %w", err)
	}
	group, err := cgroup.Own()
	if err != nil {
		return fmt.Errorf("preparing cgroups (the unit needs Delegate=yes): %w", err)
	}
	a, err := agent.New(agent.Config{Flags: flags, Executor: []string{self, "executor"}, Cgroup: group, Log: log})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error {
		defer stop()
		return a.Run(ctx)
	})
	work.Go(func() error { return unregisterOnSignal(ctx, a, stop) })
	return work.Wait()
}

// unregisterOnSignal: SIGUSR1 takes the agent out of the cluster and ends it.
func unregisterOnSignal(ctx context.Context, a *agent.Agent, stop func()) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	defer signal.Stop(signals)
	select {
	case <-ctx.Done():
		return nil
	case <-signals:
		defer stop()
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		return a.Unregister(ctx)
	}
}

func executorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "executor SPEC", Short: "Run one task (started by the agent)", Args: cobra.ExactArgs(1), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := os.ReadFile(args[0])
			if err != nil {
				return fmt.Errorf("reading the executor's spec: %w", err)
			}
			var spec executor.Spec
			if err := json.Unmarshal(data, &spec); err != nil {
				return fmt.Errorf("reading the executor's spec: %w", err)
			}
			e, err := executor.New(spec, slog.New(slog.NewTextHandler(os.Stderr, nil)))
			if err != nil {
				return err
			}
			if err := e.Run(cmd.Context()); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		},
	}
}

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"scaleio-framework/agent"
	"scaleio-framework/installer"
	"scaleio-framework/platform"
	"scaleio-framework/systemd"
)

func placeCommand(log func() *slog.Logger) *cobra.Command {
	return &cobra.Command{
		Use:   "place",
		Short: "Install and start the agent's unit on this host and mirror its health (the Mesos task)",
		Long: `place is what the scheduler's Mesos task runs. It checks its own SHA-256, puts binary, configuration and unit on the host, starts ` + agent.Unit + ` through systemd,
so that the daemon lives outside the Mesos container, and stays in the foreground. Ending it never stops storage.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, l := cmd.Context(), log()
			if os.Geteuid() != 0 {
				return &codedError{exitUsage, fmt.Errorf("place needs root: let the Mesos agent run tasks as root for this framework (--switch_user, ACL run_tasks)")}
			}
			binary, err := os.Executable()
			if err != nil {
				return err
			}
			want, err := agent.PlacementFrom(os.Getenv, binary, []byte(systemd.AgentUnitText))
			if err != nil {
				return &codedError{exitUsage, err}
			}
			units := systemd.New()
			defer units.Close()
			facts, err := platform.ReadFacts("/", platform.SystemEnv())
			if err != nil {
				return err
			}
			l.Info("platform", "evidence", facts.Evidence)
			if err := mayPlace(facts); err != nil {
				return err
			}
			files := platform.NewFiles("/")
			placer := &agent.Placer{Files: files, Units: units, Log: l, Read: func(path string) (io.ReadCloser, error) { return os.Open(path) },
				Label: relabel(facts, files, units)}
			if err := placer.Place(ctx, want); err != nil {
				return err
			}
			return placer.Mirror(ctx, readiness)
		},
	}
}

// mayPlace refuses, before anything is written, where there is no PID 1 to hand the daemon to, or only one of a container's image. On every other machine the
// daemon says for itself why it isn't supported, so that the scheduler hears it.
func mayPlace(facts platform.Facts) error {
	if support := installer.SupportedPlatform(facts, true); !facts.Systemd || support.Reason == installer.ReasonContainer {
		return fmt.Errorf("%w: %s", agent.ErrRefused, support.Why)
	}
	return nil
}

func readiness(ctx context.Context) (bool, string) {
	local, err := agent.AskStatus(ctx, agent.Socket)
	if err != nil {
		return false, err.Error()
	}
	return local.Ready, readyLine(local)
}

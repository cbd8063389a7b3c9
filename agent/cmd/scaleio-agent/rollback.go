package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path"

	"github.com/spf13/cobra"

	"scaleio-framework/agent"
	"scaleio-framework/platform"
	"scaleio-framework/platform/fetch"
	"scaleio-framework/systemd"
)

// replacer of this agent by another, of the real parts. An agent that doesn't run from where agents lie (a person tries it out) stays what it is.
func replacer(facts platform.Facts, files *platform.Files, log *slog.Logger) (*agent.Replacer, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this agent's own file: %w", err)
	}
	sum, _, err := files.Digest(binary)
	if err != nil {
		return nil, fmt.Errorf("reading this agent's own file: %w", err)
	}
	if path.Base(path.Dir(binary)) != sum {
		log.Info("this agent isn't replaced by another: it runs from elsewhere", "path", binary)
		return nil, nil
	}
	units := systemd.New()
	return &agent.Replacer{Files: files, Units: units, Download: &fetch.Fetcher{}, Commands: platform.Runner{}, Chmod: os.Chmod, Label: relabel(facts, files, units),
		SHA256: sum, Unit: systemd.AgentUnitText, Log: log}, nil
}

func unitCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "unit",
		Short: "Print the unit file that this version brings",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), systemd.AgentUnitText)
			return err
		},
	}
}

func rollbackCommand(log func() *slog.Logger) *cobra.Command {
	return &cobra.Command{
		Use:   "rollback",
		Short: "Take the place back from an agent that didn't show this node Ready (started by a timer of systemd)",
		Long:  "rollback is run by the agent that was here before, by its timer. Where the new one has shown its node Ready, or there is none, it changes nothing.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l := log()
			facts, err := platform.ReadFacts("/", platform.SystemEnv())
			if err != nil {
				return err
			}
			r, err := replacer(facts, platform.NewFiles("/"), l)
			if err != nil || r == nil {
				return err
			}
			return r.GoBack(cmd.Context(), func(ctx context.Context) (why, held string) { return whyBack(ctx, r.Units) })
		},
	}
}

// whyBack is what the new agent lacked, by its own word or else by PID 1's.
func whyBack(ctx context.Context, units interface {
	State(ctx context.Context, unit string) (systemd.UnitState, error)
}) (why, held string) {
	if local, err := agent.AskStatus(ctx, agent.Socket); err == nil {
		return agent.WhyBack(local)
	}
	state, err := units.State(ctx, agent.Unit)
	if err != nil {
		return "it doesn't answer, nor does systemd: " + err.Error(), ""
	}
	return fmt.Sprintf("it doesn't answer; %s is %s (%s)", agent.Unit, state.Active, state.Result), ""
}

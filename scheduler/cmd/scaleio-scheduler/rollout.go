package main

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
)

func rolloutCommand() *cobra.Command {
	var who string
	cmd := asking("rollout [resume|abort]", "Show how far a new agent, manifest or setting is, let it go on, or take it back",
		"A new agent, manifest or setting goes to one node, to its failure domain, then to more and more; it stops when the first or two others fail.\n"+
			"  resume  tries again what failed, and goes on\n"+
			"  abort   takes it back from the nodes that have it, in waves too; the same configuration isn't tried again",
		cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs), func(ctx context.Context, p *client.People, cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if err := p.Rollout(ctx, api.RolloutRequest{Action: args[0], Author: cmp.Or(who, author())}); err != nil {
					return err
				}
			}
			status, err := p.Status(ctx)
			if err == nil {
				showRollout(plain{cmd.OutOrStdout()}, status.Rollout)
			}
			return err
		})
	cmd.ValidArgs = []string{api.RolloutResume, api.RolloutAbort}
	cmd.Flags().StringVar(&who, "author", "", "who (default: you@this-host)")
	return cmd
}

func showRollout(out io.Writer, r *api.RolloutView) {
	if r == nil {
		fmt.Fprintln(out, "every node is told what the configuration says")
		return
	}
	fmt.Fprintln(out, rolloutLine(r))
	for _, f := range r.Failed {
		fmt.Fprintf(out, "  %s: %s\n", f.Node, oneLine(f.Why))
	}
}

func rolloutLine(r *api.RolloutView) string {
	text := fmt.Sprintf("%s, wave %d, %d nodes have it, %d don't yet", r.State, r.Wave, r.Given, r.Left)
	if r.Refused != "" {
		text = fmt.Sprintf("taken back (%s); `rollout resume` tries it again", text)
	}
	if r.Why != "" {
		text += ": " + r.Why
	}
	return text
}

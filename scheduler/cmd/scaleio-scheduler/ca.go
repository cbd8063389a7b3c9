package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
)

func caCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "ca", Short: "Rotate the cluster's CA",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return &usageError{fmt.Errorf("say rotate; see `%s --help`", cmd.CommandPath())}
		},
	}
	cmd.AddCommand(rotateCommand())
	return cmd
}

func rotateCommand() *cobra.Command {
	var finish bool
	var behind []string
	var who string
	cmd := asking("rotate", "Make a new CA, trusted beside the old one; --finish forgets the old one",
		"Makes a new CA. Each node hears of it with its next report, trusts both and gets a certificate of the new one; once all trust it, the scheduler shows itself by it.\n"+
			"`status` shows how many are left. Nothing restarts, and storage isn't touched.\n\n"+
			"With --finish the old CA counts no more: refused while a node would be shut out, but for those that --leave-behind names (they join again by their next task or\n"+
			"an enrolment token), and while a join token is good that went out with the old CA alone (`status` names them; `tokens revoke` ends them). Afterwards give people the new ca.pem, and take a backup: those from before are of no use.",
		cobra.NoArgs, func(ctx context.Context, p *client.People, cmd *cobra.Command, _ []string) error {
			r := api.CARequest{Wish: api.CARotate, Author: cmp.Or(who, author()), LeaveBehind: behind}
			if finish {
				r.Wish = api.CAFinish
			} else if len(behind) > 0 {
				return &usageError{fmt.Errorf("--leave-behind goes with --finish")}
			}
			view, err := p.RotateCA(ctx, r)
			if err != nil {
				return err
			}
			if finish {
				fmt.Fprintln(cmd.OutOrStdout(), "the old CA counts no more: give people the new ca.pem, and take a backup")
				return nil
			}
			fmt.Fprintf(cmd.OutOrStdout(), "a new CA is trusted beside the old one; %d nodes are to follow (`status`). ca.pem holds both now\n", view.Nodes)
			return nil
		})
	cmd.Flags().BoolVar(&finish, "finish", false, "forget the old CA")
	cmd.Flags().StringSliceVar(&behind, "leave-behind", nil, "with --finish: nodes that need not have followed, by name")
	cmd.Flags().StringVar(&who, "author", "", "who (default: you@this-host)")
	return cmd
}

// rotation in one line.
func rotation(v *api.CAView) string {
	text := fmt.Sprintf("being rotated since %s by %s: %d of %d nodes are left", v.Since.Format(time.RFC3339), v.Author, v.Left, v.Nodes)
	if len(v.Names) > 0 {
		text += " (" + strings.Join(v.Names, ", ") + ")"
	}
	if len(v.GivenOut) > 0 {
		text += "; these know the old CA alone, and can be joined by: " + strings.Join(v.GivenOut, ", ")
	}
	if v.Left == 0 && len(v.GivenOut) == 0 {
		text += "; finish it with `ca rotate --finish`"
	}
	return text
}

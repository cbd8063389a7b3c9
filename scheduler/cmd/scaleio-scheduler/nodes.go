package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
)

// refusedError is an answer of the scheduler that keeps data or people from harm.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

func nodesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "nodes", Short: "List nodes, take one out of the cluster, or let it in again",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return &usageError{fmt.Errorf("say list, remove, keep or readmit; see `%s --help`", cmd.CommandPath())}
		},
	}
	cmd.AddCommand(listNodesCommand(),
		wishCommand(api.NodeRemove, "remove NODE", "Take a node out of the cluster and leave its machine bare",
			"Takes NODE (name or identity) out of the cluster: its data moves to the other nodes, its SDS and SDC leave the system, and its agent takes away what it\n"+
				"put there. No disk is wiped. It is refused while the rest couldn't keep spare capacity and 70 % fullness, while volumes are mapped to the node, for the last\n"+
				"SDS of a fault set, for a node with an MDM, and while another is being removed. No force: the answer says what to do instead."),
		wishCommand(api.NodeKeep, "keep NODE", "Take a removal back, while its SDS is still there", "Takes the wish to remove NODE back. That works until its SDS is gone."),
		wishCommand(api.NodeReadmit, "readmit NODE", "Let a removed machine join again",
			"Lets the machine of a removed NODE join again: an agent is placed on it, or it joins by a token. Its disks have to be approved again, where that is asked for."))
	return cmd
}

func wishCommand(wish api.NodeWish, use, short, long string) *cobra.Command {
	r := api.NodeRequest{Wish: wish}
	cmd := asking(use, short, long, cobra.ExactArgs(1), func(ctx context.Context, p *client.People, cmd *cobra.Command, args []string) error {
		r.Node, r.Author = args[0], cmp.Or(r.Author, author())
		answer, err := p.Node(ctx, r)
		var said *api.Error
		if errors.As(err, &said) && said.Code == api.CodeConflict {
			return &refusedError{err}
		}
		if err != nil {
			return err
		}
		out := plain{cmd.OutOrStdout()}
		head := string(wish)
		if r.DryRun {
			head = "would " + head
		}
		fmt.Fprintf(out, "%s %s:\n", head, oneLine(answer.Node))
		for i, act := range answer.Acts {
			fmt.Fprintf(out, "%3d. %s\n", i+1, oneLine(act))
		}
		return nil
	})
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "only say what would be done, or why not")
	cmd.Flags().StringVar(&r.Author, "author", "", "who (default: you@this-host)")
	return cmd
}

func listNodesCommand() *cobra.Command {
	var asJSON bool
	cmd := asking("list", "List the nodes", "Lists the nodes with role, failure domain and how far a removal is. `status` shows more.",
		cobra.NoArgs, func(ctx context.Context, p *client.People, cmd *cobra.Command, _ []string) error {
			status, err := p.Status(ctx)
			if err != nil {
				return err
			}
			out := plain{cmd.OutOrStdout()}
			if asJSON {
				return writeJSON(out, status.Nodes)
			}
			w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
			fmt.Fprintln(w, "NODE\tIDENTITY\tADDRESS\tROLE\tDOMAIN\tREADY\tREMOVAL\tREASON")
			for _, n := range status.Nodes {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%t\t%s\t%s\n", oneLine(n.Name), oneLine(n.Node), oneLine(cmp.Or(n.Address, "-")), cmp.Or(string(n.Role), "-"),
					oneLine(cmp.Or(n.FaultDomain, "-")), n.Ready, cmp.Or(string(n.Removal), "-"), oneLine(cmp.Or(n.Reason, "-")))
			}
			return w.Flush()
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

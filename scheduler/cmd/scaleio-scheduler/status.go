package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
)

func statusCommand() *cobra.Command {
	var asJSON, watch bool
	cmd := asking("status", "Show how the cluster is", "Shows the cluster and one line per node: role, step, reason, disks. Exit status 3 while not everything is Ready.",
		cobra.NoArgs, func(ctx context.Context, p *client.People, cmd *cobra.Command, _ []string) error {
			if watch {
				return watchStatus(ctx, p, cmd.OutOrStdout(), asJSON)
			}
			status, err := p.Status(ctx)
			if err != nil {
				return err
			}
			show(cmd.OutOrStdout(), status, asJSON)
			if !status.Ready {
				return errNotReady
			}
			return nil
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&watch, "watch", false, "go on; redrawn on a terminal")
	return cmd
}

// watchStatus redraws on a terminal; elsewhere it prints what changed.
func watchStatus(ctx context.Context, p *client.People, out io.Writer, asJSON bool) error {
	terminal := term.IsTerminal(int(os.Stdout.Fd()))
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	last := ""
	for {
		var text bytes.Buffer
		if status, err := p.Status(ctx); err == nil {
			show(&text, status, asJSON)
		} else if ctx.Err() == nil {
			fmt.Fprintln(&text, "scheduler can't be asked (storage goes on without it):", err)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case terminal:
			fmt.Fprintf(out, "\x1b[H\x1b[2J%s", text.String())
		case text.String() != last:
			fmt.Fprint(out, text.String())
		}
		last = text.String()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func show(out io.Writer, s api.ClusterStatus, asJSON bool) {
	out = plain{out}
	if asJSON {
		_ = writeJSON(out, s) // plain data, to standard output
		return
	}
	fmt.Fprintf(out, "%s  %s  %s\n", s.Name, verdict(s.Ready), s.Cluster)
	line := func(what, value string) {
		if value != "" {
			fmt.Fprintf(out, "%-10s %s\n", what, strings.Join(strings.Fields(value), " "))
		}
	}
	line("framework", s.Framework)
	line("leader", s.Leader)
	if v := s.Storage; v != nil {
		line("system", fmt.Sprintf("%s, %s, %s", s.SystemID, v.Mode, v.State))
		if p := v.Pool; p != nil {
			line("capacity", fmt.Sprintf("%d GB raw, %d GB in use, %d GB spare (%d %%), %d volumes", p.RawBytes>>30, p.InUseBytes>>30, p.SpareBytes>>30, p.SparePercent, p.Volumes))
		}
	} else {
		line("system", s.SystemID)
	}
	if h := s.Hold; h != nil {
		line("HELD", fmt.Sprintf("by %s: %s", h.Author, h.Reason))
	}
	line("READ-ONLY", s.ReadOnly)
	if s.CA != nil {
		line("CA", rotation(s.CA))
	}
	showGrowth(out, s.Growth)
	if s.Rollout != nil {
		line("rollout", rolloutLine(s.Rollout))
	}
	if i := s.Interruption; i != nil {
		line(map[bool]string{true: "LATE", false: "interrupted"}[i.Late], i.Node+": "+i.State)
	}
	line("waits for", s.Waiting)
	fmt.Fprintln(out)
	table(out, s.Nodes)
	outside(out, s.Nodes)
}

func table(out io.Writer, nodes []api.NodeStatus) {
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tROLE\tDOMAIN\tREADY\tSTEP\tREASON\tDISKS\tMESSAGE")
	for _, n := range nodes {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", n.Name, cmp.Or(string(n.Role), "-"), cmp.Or(n.FaultDomain, "-"), yes(n.Ready),
			cmp.Or(n.Step, "-"), cmp.Or(n.Reason, "-"), disks(n.Disks), oneLine(n.Message))
	}
	_ = w.Flush() // standard output
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 100 {
		return string(r[:99]) + "…"
	}
	return s
}

func verdict(ready bool) string {
	if ready {
		return "Ready"
	}
	return "not ready"
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// writeJSON for machines, which people read too.
func writeJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func planCommand() *cobra.Command {
	var asJSON bool
	cmd := asking("plan", "Show what would be done next", "Shows the coming acts and why, and marks the choices that can't be changed later.",
		cobra.NoArgs, func(ctx context.Context, p *client.People, cmd *cobra.Command, _ []string) error {
			plan, err := p.Plan(ctx)
			if err != nil {
				return err
			}
			out := plain{cmd.OutOrStdout()}
			if asJSON {
				return writeJSON(out, plan)
			}
			if len(plan.Steps) == 0 {
				fmt.Fprintln(out, "nothing to do")
				showNext(out, plan.Growth)
				return nil
			}
			w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
			fmt.Fprintln(w, "WHERE\tACT\tPERMANENT\tWHY")
			for _, l := range plan.Steps {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", cmp.Or(l.Node, "cluster"), l.Act, yes(l.Permanent), oneLine(l.Why))
			}
			err = w.Flush()
			showNext(out, plan.Growth)
			return err
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"scaleio-framework/agent"
	"scaleio-framework/scheduler/api"
)

func statusCommand() *cobra.Command {
	var asJSON, onlyReady bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show this node's conditions, and what each unmet one waits for",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			local, err := agent.AskStatus(cmd.Context(), agent.Socket)
			if err != nil {
				if onlyReady {
					fmt.Println("not ready:", err)
					return errNotReady
				}
				return err
			}
			switch {
			case asJSON:
				encoder := json.NewEncoder(os.Stdout)
				encoder.SetIndent("", "  ")
				err = encoder.Encode(local)
			case onlyReady:
				fmt.Println(readyLine(local))
			default:
				err = show(os.Stdout, local, term.IsTerminal(int(os.Stdout.Fd())))
			}
			if err == nil && !local.Ready {
				return errNotReady
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for machines")
	cmd.Flags().BoolVar(&onlyReady, "ready", false, "one line; exit status 0 when ready, 3 when not (the Mesos check)")
	return cmd
}

func readyLine(local agent.Local) string {
	if local.Ready {
		return "ready"
	}
	return "not ready: " + local.Step
}

func show(w io.Writer, local agent.Local, colour bool) error {
	paint := func(status api.Status) string {
		code := map[api.Status]string{api.True: "32", api.False: "31", api.Unknown: "33"}[status]
		if !colour {
			return string(status)
		}
		return "\x1b[" + code + "m" + string(status) + "\x1b[0m"
	}
	role := string(local.Role)
	if role == "" {
		role = "undecided"
	}
	fmt.Fprintf(w, "node %s (%s)  role %s  generation %d  leader %t  scheduler %s\n", local.Node.Hostname, local.Node.ID, role, local.Generation, local.Leader, plain(local.Scheduler))
	if local.Held != "" {
		fmt.Fprintf(w, "HELD %s: nothing is changed\n", plain(local.Held))
	}
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	for _, c := range append(local.Conditions, local.Leading...) {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", c.Type, c.Reason, paint(c.Status), plain(c.Message))
	}
	for _, d := range local.Disks {
		fmt.Fprintf(table, "disk %s\t%s\t%s\t%s %s\n", d.Path, d.State, d.Reason, plain(d.ID), plain(d.Message))
	}
	for _, i := range local.Intents {
		fmt.Fprintf(table, "intent %s\t%s\t\tsince %s\n", i.Kind, plain(i.Subject), i.Since.Format("2006-01-02 15:04:05"))
	}
	return table.Flush()
}

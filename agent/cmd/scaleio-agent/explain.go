package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"scaleio-framework/agent"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/explain"
)

func explainCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Say in words what stands in this node's way, and what to do",
		Long:  "The same words as `scaleio-scheduler explain` has for this node, from what its agent knows: no scheduler is asked.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			local, err := agent.AskStatus(cmd.Context(), agent.Socket)
			if err != nil {
				return err
			}
			e := explain.Node(asStatus(local), "")
			if asJSON {
				encoder := json.NewEncoder(os.Stdout)
				encoder.SetIndent("", "  ")
				return encoder.Encode(e)
			}
			return explain.Write(os.Stdout, plainly(e))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "for machines")
	return cmd
}

// asStatus is the node as the scheduler would show it.
func asStatus(local agent.Local) api.NodeStatus {
	n := api.NodeStatus{Node: local.Node.ID, Name: local.Node.Hostname, Hostname: local.Node.Hostname, Role: local.Role, Ready: local.Ready, Step: local.Step,
		Conditions: append(append([]api.Condition(nil), local.Conditions...), local.Leading...), Disks: local.Disks}
	if local.Held != "" {
		n.Reason, n.Message = api.ReasonHeld, local.Held
		return n
	}
	for _, c := range n.Conditions {
		if c.Type == local.Step {
			n.Reason, n.Message = c.Reason, c.Message
		}
	}
	return n
}

// plainly: what the product or a disk says must not steer root's terminal.
func plainly(e api.Explanation) api.Explanation {
	for _, text := range []*string{&e.Name, &e.State, &e.InTheWay, &e.Means, &e.Says, &e.Waits} {
		*text = plain(*text)
	}
	for i := range e.Do {
		e.Do[i] = plain(e.Do[i])
	}
	for i := range e.Also {
		e.Also[i] = plain(e.Also[i])
	}
	return e
}

func diagCommand() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "diag --to FILE.tar.gz",
		Short: "Collect what a helper asks for of this node, without secrets",
		Long: "Writes conditions, what `detect` sees, the journal of our units (a day, bounded), unit states, intents and disks to FILE. Keys, tokens and passwords are left out;\n" +
			"host names, addresses and disk identities are in it. It needs root, and no scheduler; without a running agent it has what can be seen without.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "" {
				return &codedError{exitUsage, fmt.Errorf("say where to: --to FILE.tar.gz")}
			}
			return diagnoseTo(cmd.Context(), to)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "file to write; it must not exist")
	return cmd
}

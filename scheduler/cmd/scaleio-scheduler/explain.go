package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
	"scaleio-framework/scheduler/explain"
)

func explainCommand() *cobra.Command {
	var asJSON bool
	cmd := asking("explain NODE", "Say in words what stands in a node's way, and what to do",
		"Says what NODE (name, host name, address, identity or Mesos agent id) is for, how it is, what stands in its way, what that means, what to do, and who is waited for.\n"+
			"Of a machine that isn't a node it says why no offer of it was taken. On the node itself, `scaleio-agent explain` says the same without a scheduler.",
		cobra.ExactArgs(1), func(ctx context.Context, p *client.People, cmd *cobra.Command, args []string) error {
			e, err := p.Explain(ctx, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(plain{cmd.OutOrStdout()}, e)
			}
			return explain.Write(plain{cmd.OutOrStdout()}, e)
		})
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func diagCommand() *cobra.Command {
	var to string
	cmd := asking("diag --to FILE.tar.gz", "Collect what a helper asks for, without secrets",
		"Writes status, plan, events, configuration, records, the nodes' last reports, metrics, goroutines and versions to FILE. Keys, tokens and passwords are left out; host\n"+
			"names, addresses and disk identities are in it. `scaleio-agent diag` does the same for one node. It needs the operator token.",
		cobra.NoArgs, func(ctx context.Context, p *client.People, cmd *cobra.Command, _ []string) error {
			if to == "" {
				return &usageError{errors.New("say where to: --to FILE.tar.gz")}
			}
			d, err := p.Diagnosis(ctx)
			if err != nil {
				return err
			}
			d.Add("client.txt", "scaleio-scheduler "+version+"\n")
			if err := writeDiagnosis(to, d); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "written: %s\n", to)
			return nil
		})
	cmd.Flags().StringVar(&to, "to", "", "file to write; it must not exist")
	return cmd
}

func writeDiagnosis(to string, d api.Diagnosis) error {
	file, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("writing the diagnosis: %w", err)
	}
	return errors.Join(d.Write(file, "scaleio-scheduler", time.Now()), file.Close())
}

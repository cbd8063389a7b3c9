package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
	"scaleio-framework/scheduler/config"
	"scaleio-framework/scheduler/store"
)

func recoverCommand() *cobra.Command {
	var fromNodes, replace bool
	var keys, framework string
	cmd := onState("recover --from-nodes --keys FILE", "Prepare a scheduler whose store is lost to be rebuilt from the nodes",
		"Prepares an empty store that holds the cluster's keys alone, of `backup --keys-only` or of any backup, however old. The scheduler that is started then listens: each node\n"+
			"tells what it remembers (role, MDMs, gates, fault sets, claims, volumes that were bought), and meanwhile gets no order; nothing is launched and nothing is bought.\n"+
			"Once all that have a task have told, and nothing contradicts, the state is stored under a higher epoch and the work goes on. `status` shows who is missing;\n"+
			"`recover-without` goes on without those that won't come. Without the keys no node can be taken back: see the README.",
		cobra.NoArgs, func(ctx context.Context, c config.Config, cmd *cobra.Command, _ []string) error {
			if !fromNodes || keys == "" {
				return &usageError{errors.New("say --from-nodes and --keys FILE: where a whole backup is there, `restore` is the better way")}
			}
			b, err := readBackup(keys)
			if err != nil {
				return err
			}
			return fresh(ctx, c, cmd, replace, func(s store.Store) error {
				cluster, err := scheduler.Recover(ctx, s, b, framework, time.Now())
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "prepared: cluster %s. Start the scheduler, and look at its status\n", cluster)
				return nil
			})
		})
	cmd.Flags().BoolVar(&fromNodes, "from-nodes", false, "rebuild the state from what the nodes remember")
	cmd.Flags().StringVar(&keys, "keys", "", "backup that holds the cluster's keys")
	cmd.Flags().StringVar(&framework, "framework", "", "id of the framework whose tasks the nodes have, where Mesos knows several of our name")
	cmd.Flags().BoolVar(&replace, "replace", false, "keep the store that is there aside, under another name")
	return cmd
}

func recoverWithoutCommand() *cobra.Command {
	return asking("recover-without NODE...", "Let a recovery go on without nodes that are off, or that contradict the others",
		"Each is named as `status` does (name, identity, host name, or the id of a Mesos agent). One that was off is taken later, with what it remembers, if that agrees.",
		cobra.MinimumNArgs(1), func(ctx context.Context, p *client.People, cmd *cobra.Command, args []string) error {
			if err := p.Recover(ctx, api.RecoverRequest{Author: author(), Without: args}); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "the recovery goes on without %v\n", args)
			return nil
		})
}

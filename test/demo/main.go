package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"scaleio-framework/test/nodes"
)

// name of the demo's cluster.
const name = "demo"

func main() {
	nodes.RunHelper()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "demo",
		Short:         "A highly available ScaleIO cluster from bare nodes, on this machine, with stand-ins for Mesos and ScaleIO",
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if os.Getuid() != 0 {
				return errors.New("this needs root: it makes network namespaces, loop devices and systemd containers")
			}
			return nil
		},
	}
	config := upConfig{}
	up := &cobra.Command{Use: "up", Short: "Bring the cluster up, wait until it is Ready, run the first app", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return up(cmd.Context(), config) }}
	up.Flags().StringVar(&config.nodes, "nodes", "3", "how many nodes, each a failure domain of its own; or their kinds, as in ubuntu,rocky,flatcar")
	up.Flags().DurationVar(&config.within, "within", readyWithin, "how long the cluster may take to be Ready")
	up.Flags().StringVar(&config.growth, "growth", "on", "whether an app fills the pool in the end, and the cluster grows by itself: on or off")
	down := &cobra.Command{Use: "down", Short: "Take it down; nothing stays behind but caches", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return down(cmd.Context(), newLog()) }}
	check := &cobra.Command{Use: "check", Short: "Hold the running cluster against what was promised", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return check(cmd.Context(), newLog()) }}
	prepared := "ubuntu,rocky,flatcar"
	prepare := &cobra.Command{Use: "prepare", Short: "Install and build what up and the node tests need", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			kinds, err := nodes.ParseKinds(prepared)
			if err != nil {
				return err
			}
			return prepare(cmd.Context(), kinds, newLog())
		}}
	prepare.Flags().StringVar(&prepared, "nodes", prepared, "the kinds of nodes to make roots for")
	root.AddCommand(up, down, check, prepare)
	root.AddCommand(nodeCommands()...)
	return root
}

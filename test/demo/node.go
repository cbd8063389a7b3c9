package main

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// nodeCommands let a person do to a node what the world does.
func nodeCommands() []*cobra.Command {
	on := func(use, short string, act func(context.Context, *nodes.Node) error) *cobra.Command {
		return &cobra.Command{Use: use + " NODE", Short: short, Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				node, err := findNode(args[0])
				if err != nil {
					return err
				}
				return act(cmd.Context(), node)
			}}
	}
	return []*cobra.Command{
		on("stop", "Shut a node down", func(ctx context.Context, n *nodes.Node) error { return n.Stop(ctx) }),
		on("kill", "Cut a node's power", func(ctx context.Context, n *nodes.Node) error { return n.Kill(ctx) }),
		on("start", "Give a node power again", func(ctx context.Context, n *nodes.Node) error { return n.Start(ctx) }),
		on("reboot", "Reboot a node", func(ctx context.Context, n *nodes.Node) error { return n.Reboot(ctx) }),
		on("cut", "Cut a node off the network", func(ctx context.Context, n *nodes.Node) error { return n.CutNetwork(ctx) }),
		on("mend", "Connect a node again", func(ctx context.Context, n *nodes.Node) error { return n.RestoreNetwork(ctx) }),
		on("shell", "A shell on a node", func(_ context.Context, n *nodes.Node) error {
			line, err := n.Shell("/bin/bash", "-l")
			if err != nil {
				return err
			}
			if err := syscall.Exec(line[0], line, os.Environ()); err != nil {
				return fmt.Errorf("entering %s: %w", n.Name, err)
			}
			return nil
		}),
	}
}

func findNode(node string) (*nodes.Node, error) {
	stand, err := cases.Open(name, newLog())
	if err != nil {
		return nil, fmt.Errorf("looking for the demo (make demo starts it): %w", err)
	}
	found := stand.Node(node)
	if found == nil {
		return nil, fmt.Errorf("the demo has no node %q", node)
	}
	return found, nil
}

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"scaleio-framework/agent"
)

func holdCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "hold [REASON...]",
		Short: "Put the brake on this node: nothing is changed until `release`; looking goes on",
		Long:  "Writes " + agent.HoldFile + ". It stops every change within a second, survives restarts and needs no scheduler.",
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(agent.ConfigDir, 0o755); err != nil {
				return err
			}
			reason := strings.Join(args, " ")
			if reason == "" {
				reason = "by hand"
			}
			if err := os.WriteFile(agent.HoldFile, []byte(reason+"\n"), 0o644); err != nil {
				return err
			}
			fmt.Println("held:", reason)
			return nil
		},
	}
}

func releaseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "release",
		Short: "Take the brake off this node",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := os.Remove(agent.HoldFile); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			fmt.Println("released (a hold that the scheduler put on is released with `scaleio-scheduler release`)")
			return nil
		},
	}
}

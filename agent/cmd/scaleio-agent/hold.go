package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"scaleio-framework/agent"
	"scaleio-framework/platform"
)

func holdCommand() *cobra.Command {
	var h agent.LocalHold
	var duration time.Duration
	cmd := &cobra.Command{
		Use:   "hold [REASON...]",
		Short: "Put the brake on this node: nothing is changed until `release`; looking goes on",
		Long: "Writes " + agent.HoldFile + ". It stops every change within a second, survives restarts and needs neither a scheduler nor a running agent.\n" +
			"With --for it ends by itself. `status` and the scheduler's `events` tell who put it on.",
		RunE: func(_ *cobra.Command, args []string) error {
			if duration < 0 {
				return &codedError{exitUsage, errors.New("--for is how long from now on")}
			}
			if h.Reason = strings.Join(args, " "); duration > 0 {
				h.Until = time.Now().Add(duration)
			}
			if err := os.MkdirAll(agent.ConfigDir, 0o755); err != nil {
				return err
			}
			if err := platform.NewFiles("/").Write(agent.HoldFile, []byte(h.Text()), 0o644); err != nil {
				return err
			}
			fmt.Println("held:", plain(strings.TrimSpace(strings.ReplaceAll(h.Text(), "\n", "  "))))
			return nil
		},
	}
	cmd.Flags().StringVar(&h.Author, "author", person(), "who")
	cmd.Flags().DurationVar(&duration, "for", 0, "how long, as 30m; 0 = until released")
	return cmd
}

// person who types: sudo says who that is.
func person() string {
	name := os.Getenv("SUDO_USER")
	if u, err := user.Current(); name == "" && err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil || name == "" {
		return name
	}
	return name + "@" + host
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

package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"scaleio-framework/scheduler"
)

// pointsCommand lists where the scheduler writes its store: tests kill it at each of them (run --die-at).
func pointsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "points", Hidden: true, Args: cobra.NoArgs, Short: "List the write points of the store",
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), strings.Join(scheduler.WritePoints(), "\n"))
		},
	}
}

// dieAt kills this process, as a power cut would, when it reaches a point that the file lists. The point is taken from the list first, so
// that each is died at once.
func dieAt(file string) func(point string) error {
	var mu sync.Mutex
	return func(point string) error {
		mu.Lock()
		defer mu.Unlock()
		raw, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading the points to die at: %w", err)
		}
		points := strings.Fields(string(raw))
		i := slices.Index(points, point)
		if i < 0 {
			return nil
		}
		left := strings.Join(slices.Delete(points, i, i+1), "\n")
		if err := os.WriteFile(file, []byte(left), 0o600); err != nil {
			return fmt.Errorf("writing the points to die at: %w", err)
		}
		return errors.Join(syscall.Kill(os.Getpid(), syscall.SIGKILL), errors.New("died at "+point))
	}
}

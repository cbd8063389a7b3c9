// Command scaleio-agent is everything on a node: `place` is the Mesos task, `run` the daemon, `detect` and `status` only look.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"scaleio-framework/agent"
)

// version is set by the linker.
var version = "development"

// Exit statuses (design 5): 0 ok, 1 failed, 2 usage, configuration or state, 3 not ready, 4 refused for safety.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitNotReady = 3
	exitRefused  = 4
)

// codedError carries its exit status.
type codedError struct {
	code int
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }

var errNotReady = errors.New("not ready")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		if !errors.Is(err, errNotReady) {
			fmt.Fprintln(os.Stderr, "scaleio-agent:", err)
		}
		stop()
		os.Exit(exitCode(err))
	}
}

func exitCode(err error) int {
	var coded *codedError
	switch {
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, errNotReady):
		return exitNotReady
	case errors.Is(err, agent.ErrRefused):
		return exitRefused
	}
	return exitFailed
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "scaleio-agent",
		Short: "Makes one node of a Mesos cluster part of a ScaleIO storage cluster, and keeps it so",
		Long: `scaleio-agent is everything that happens on a node: it looks what is there, installs what its role needs, hands over empty disks, points clients at the
cluster, and repairs drift. The scheduler tells it what to be; it goes on without the scheduler.

Exit status: 0 ok, 1 failed, 2 usage, configuration or state, 3 not ready, 4 refused for safety.`,
		SilenceUsage: true, SilenceErrors: true, Version: version,
	}
	var format, level string
	root.PersistentFlags().StringVar(&format, "log-format", "text", "text or json")
	root.PersistentFlags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	log := func() *slog.Logger { return logger(format, level) }
	root.AddCommand(runCommand(log), placeCommand(log), detectCommand(), statusCommand(), explainCommand(), diagCommand(), holdCommand(), releaseCommand(), unitCommand(), rollbackCommand(log), pointsCommand())
	return root
}

func logger(format, level string) *slog.Logger {
	options := &slog.HandlerOptions{}
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err == nil {
		options.Level = l
	}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

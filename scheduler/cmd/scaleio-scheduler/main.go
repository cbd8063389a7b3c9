// Command scaleio-scheduler places agents on a Mesos cluster and makes one ScaleIO cluster of their nodes; its other commands ask or tell a
// running one.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/config"
	"scaleio-framework/scheduler/store"
)

// version is set by the linker.
var version = "development"

// Exit statuses: 0 ok, and these.
const (
	exitFailed   = 1
	exitUsage    = 2 // usage, configuration or state
	exitNotReady = 3
	exitRefused  = 4 // for safety
)

// usageError is what the caller can put right.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

var errNotReady = errors.New("not ready")

// gcPercent lets the heap grow by half of what is in use between two collections, not to its double: the scheduler has much to remember and little to do.
const gcPercent = 50

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil && !errors.Is(err, errNotReady) {
		fmt.Fprintln(os.Stderr, "scaleio-scheduler:", err)
	}
	os.Exit(exitCode(err))
}

func exitCode(err error) int {
	var usage *usageError
	var refused *refusedError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errNotReady):
		return exitNotReady
	case errors.As(err, &usage), errors.Is(err, scheduler.ErrRefused), errors.Is(err, store.ErrCorrupt), errors.Is(err, store.ErrNewer), errors.Is(err, store.ErrBackup), errors.Is(err, scheduler.ErrNotEmpty), errors.Is(err, scheduler.ErrRemoved),
		errors.Is(err, store.ErrLocked), errors.Is(err, store.ErrWrongKey), errors.Is(err, store.ErrOpen):
		return exitUsage
	case errors.Is(err, scheduler.ErrFailedOver), errors.As(err, &refused):
		return exitRefused
	}
	return exitFailed
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:   "scaleio-scheduler",
		Short: "Makes a highly available ScaleIO cluster of the nodes of a Mesos cluster",
		Long: `scaleio-scheduler places one privileged agent on every Mesos agent, decides which nodes carry an MDM, and keeps what can't be observed
elsewhere. The agents do the work; storage goes on without the scheduler.

  scaleio-scheduler run --config scheduler.yaml   the scheduler itself, as Marathon runs it
  scaleio-scheduler status --watch                how the cluster is
  scaleio-scheduler plan                          what comes next, and which choices are permanent
  scaleio-scheduler approve NODE DISK             let an empty disk be used (disks-use: approve)
  scaleio-scheduler approve EXPANSION-ID          let the pool grow as it was proposed (growth: approve)
  scaleio-scheduler events                        what happened: who, what, why, at what cost
  scaleio-scheduler explain NODE                  what stands in a node's way, in words, and what to do
  scaleio-scheduler diag --to FILE.tar.gz         all that a helper asks for, without secrets
  scaleio-scheduler hold --reason "..."           stop every change within a second; storage goes on

Exit status: 0 ok, 1 failed, 2 usage, configuration or state, 3 not ready, 4 refused for safety.`,
		SilenceUsage: true, SilenceErrors: true, Version: version,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(runCommand(), statusCommand(), planCommand(), eventsCommand(), explainCommand(), diagCommand(), holdCommand(), releaseCommand(), rolloutCommand(), approveCommand(), tokensCommand(), nodesCommand(), backupCommand(), stateBackupCommand(), restoreCommand(), adoptFrameworkCommand(), caCommand(), recoverCommand(), recoverWithoutCommand(), versionCommand(), referenceCommand(), pointsCommand())
	return root
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), version) },
	}
}

func referenceCommand() *cobra.Command {
	return &cobra.Command{
		Use: "config-reference", Short: "Print all configuration keys as Markdown", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprint(cmd.OutOrStdout(), config.Reference()) },
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/client"
	"scaleio-framework/scheduler/config"
	"scaleio-framework/scheduler/store"
)

const stateFile = "state.db"

// copyFile is the copy that a running scheduler keeps of its store.
func copyFile(c config.Config) string { return filepath.Join(c.StateDir, "previous.backup") }

// onState makes a command that works on the store of a scheduler that doesn't run. It takes the configuration that `run` takes.
func onState(use, short, long string, args cobra.PositionalArgs, act func(ctx context.Context, c config.Config, cmd *cobra.Command, args []string) error) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long + "\n\nThe scheduler must not be running. The configuration is that of `run`: give the same --config, flags and environment.",
		Args: func(cmd *cobra.Command, given []string) error {
			if err := args(cmd, given); err != nil {
				return &usageError{fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(file, cmd.Flags(), os.Environ())
			if err != nil {
				return &usageError{fmt.Errorf("the configuration has faults:\n%w", err)}
			}
			return act(cmd.Context(), c, cmd, args)
		},
	}
	cmd.Flags().StringVar(&file, "config", "", "configuration file (YAML) of the scheduler")
	config.RegisterFlags(cmd.Flags())
	return cmd
}

// withStore opens the store for act.
func withStore(ctx context.Context, c config.Config, act func(store.Store) error) (err error) {
	s, err := stoppedState(ctx, c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return act(s)
}

const backupHolds = "The file holds the key of the cluster's CA and the passwords that the scheduler made: whoever has it can give orders to every node. It is written for you\n" +
	"alone (0600); keep it as you keep root's keys."

func backupCommand() *cobra.Command {
	var to string
	var keys bool
	cmd := asking("backup --to FILE", "Write a running scheduler's state to one file",
		"Writes all that the scheduler keeps to FILE, as it is at one moment. `restore` brings it back; `state-backup` does the same for a scheduler that is stopped.\n"+
			"With --keys-only it holds what no node can tell again: the CA and the passwords. That suffices for `recover`, and changes only with `ca rotate`.\n\n"+backupHolds,
		cobra.NoArgs, func(ctx context.Context, p *client.People, cmd *cobra.Command, _ []string) error {
			return saveBackup(cmd, to, func(w io.Writer) error { return p.Backup(ctx, w, keys) })
		})
	cmd.Flags().StringVar(&to, "to", "", "file to write; one that is there isn't overwritten")
	cmd.Flags().BoolVar(&keys, "keys-only", false, "only the CA and the passwords")
	return cmd
}

func stateBackupCommand() *cobra.Command {
	var to string
	var keys bool
	cmd := onState("state-backup --to FILE", "Write a stopped scheduler's state to one file",
		"As `backup`, from the store itself.\n\n"+backupHolds, cobra.NoArgs, func(ctx context.Context, c config.Config, cmd *cobra.Command, _ []string) error {
			return withStore(ctx, c, func(s store.Store) error {
				return saveBackup(cmd, to, func(w io.Writer) error { return scheduler.WriteBackup(ctx, w, s, keys, time.Now()) })
			})
		})
	cmd.Flags().StringVar(&to, "to", "", "file to write; one that is there isn't overwritten")
	cmd.Flags().BoolVar(&keys, "keys-only", false, "only the CA and the passwords")
	return cmd
}

// saveBackup writes and reads it again: what can't be read is no backup.
func saveBackup(cmd *cobra.Command, to string, write func(io.Writer) error) error {
	if to == "" {
		return &usageError{errors.New("--to FILE is missing")}
	}
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return &usageError{fmt.Errorf("%s is there already: name another file", to)}
	}
	err := scheduler.SaveFile(to, write)
	if err != nil {
		return err
	}
	b, err := readBackup(to)
	if err != nil {
		return errors.Join(err, os.Remove(to))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %d records. It holds the CA's key: keep it as you keep root's keys\n", to, b.Kind, len(b.Records))
	return nil
}

func readBackup(file string) (store.Backup, error) {
	f, err := os.Open(file)
	if err != nil {
		return store.Backup{}, &usageError{fmt.Errorf("reading the backup: %w", err)}
	}
	defer f.Close()
	b, err := store.ReadBackup(f)
	if err != nil {
		return b, fmt.Errorf("%s: %w", file, err)
	}
	return b, nil
}

func restoreCommand() *cobra.Command {
	var from string
	var replace bool
	cmd := onState("restore --from FILE", "Fill an empty store with a backup",
		"Reads and verifies FILE to its end, and then fills the store with it. The epoch rises, so that nodes that know newer orders take this state's; nothing is bought\n"+
			"before the cluster's volumes were listed. A running scheduler keeps a copy of its own beside its store (previous.backup, daily and at its start): where the\n"+
			"store is damaged, that is what to restore.", cobra.NoArgs, func(ctx context.Context, c config.Config, cmd *cobra.Command, _ []string) error {
			if from == "" {
				return &usageError{errors.New("--from FILE is missing")}
			}
			b, err := readBackup(from)
			if err != nil {
				return err
			}
			return fresh(ctx, c, cmd, replace, func(s store.Store) error {
				got, err := scheduler.Restore(ctx, s, b, time.Now())
				if err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "restored: cluster %s, %d nodes, epoch %d, as of %s. Start the scheduler\n", got.Cluster, got.Nodes, got.Epoch, b.Made.Format(time.RFC3339))
				return nil
			})
		})
	cmd.Flags().StringVar(&from, "from", "", "backup to read")
	cmd.Flags().BoolVar(&replace, "replace", false, "keep the store that is there aside, under another name")
	return cmd
}

// fresh opens an empty store for act; with replace one that is there is kept aside, readable or not, and comes back if act fails.
func fresh(ctx context.Context, c config.Config, cmd *cobra.Command, replace bool, act func(store.Store) error) error {
	if replace && c.State != "" {
		return &usageError{errors.New("--replace keeps a file aside; with state in ZooKeeper name another path there")}
	}
	path := filepath.Join(c.StateDir, stateFile)
	if _, err := os.Stat(path); !replace || err != nil {
		return withStore(ctx, c, act)
	}
	aside := path + ".replaced-" + time.Now().UTC().Format("20060102T150405.000")
	if err := store.MoveBolt(path, aside); err != nil {
		return fmt.Errorf("keeping the store aside: %w", err)
	}
	if err := withStore(ctx, c, act); err != nil {
		return errors.Join(err, os.Rename(aside, path))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "the store that was there is kept as %s\n", aside)
	return nil
}

// damaged says which copy there is of a store that can't be read. A person decides: what was decided since that was written is lost with it.
func damaged(c config.Config, err error) error {
	if !errors.Is(err, store.ErrCorrupt) {
		return err
	}
	good, readErr := readBackup(copyFile(c))
	if readErr != nil {
		return err
	}
	return fmt.Errorf("%w; a good copy of %s is there: `scaleio-scheduler restore --replace --from %s`", err, good.Made.Format(time.RFC3339), copyFile(c))
}

func adoptFrameworkCommand() *cobra.Command {
	var anew bool
	cmd := onState("adopt-framework ID | --new", "Go on as another Mesos framework, after Mesos removed this one",
		"After \"Framework has been removed\" (its failover timeout passed, or somebody tore it down) the scheduler stops with exit status 2, and takes no other framework id by\n"+
			"itself. This stores that you want it to: with --new it registers as a new framework and launches its tasks again; `place` adopts the daemons that run, so nothing\n"+
			"restarts on a node, and storage isn't touched. With ID it goes on as a framework that the master knows. The epoch rises.",
		cobra.MaximumNArgs(1), func(ctx context.Context, c config.Config, cmd *cobra.Command, args []string) error {
			if anew == (len(args) == 1) {
				return &usageError{errors.New("say either the framework's ID or --new")}
			}
			id := ""
			if !anew {
				id = args[0]
			}
			return withStore(ctx, c, func(s store.Store) error {
				got, err := scheduler.AdoptFramework(ctx, s, id, time.Now())
				if err != nil {
					return &usageError{err}
				}
				fmt.Fprintf(cmd.OutOrStdout(), "stored: epoch %d, %d tasks to be launched again. Start the scheduler\n", got.Epoch, got.Tasks)
				return nil
			})
		})
	cmd.Flags().BoolVar(&anew, "new", false, "register as a new framework")
	return cmd
}

package scheduler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
)

// keptAnew is how often the copy is written that a damaged store is restored from.
const keptAnew = 24 * time.Hour

// Backup writes all records, as they are at one moment: nothing is decided meanwhile.
func (b *brain) Backup(ctx context.Context, w io.Writer, keysOnly bool) error {
	var all []store.Record
	err := b.do(ctx, func() (err error) {
		all, err = b.records.store.List(ctx, "")
		return err
	})
	if err != nil {
		return err
	}
	return writeBackup(w, all, keysOnly, b.Now())
}

// WriteBackup of a store that no scheduler has open.
func WriteBackup(ctx context.Context, w io.Writer, s store.Store, keysOnly bool, now time.Time) error {
	all, err := s.List(ctx, "")
	if err != nil {
		return fmt.Errorf("reading the store: %w", err)
	}
	if len(all) == 0 {
		return fmt.Errorf("backing up: %w: the store is empty", store.ErrNotFound)
	}
	return writeBackup(w, all, keysOnly, now)
}

func writeBackup(w io.Writer, all []store.Record, keysOnly bool, now time.Time) error {
	kind := store.BackupState
	if keysOnly {
		kind = store.BackupKeys
		all = slices.DeleteFunc(all, func(r store.Record) bool { return r.Key != keyAuthority && r.Key != keySecrets })
	}
	return store.WriteBackup(w, kind, now, all)
}

// keepCopies writes the copy that a damaged store is restored from: of what was just read and found good, then daily, and when the keys changed: without
// the CA that the nodes trust a copy is of no use.
func (b *brain) keepCopies(ctx context.Context) error {
	if b.CopyFile == "" {
		return nil
	}
	tick := time.NewTicker(keptAnew)
	defer tick.Stop()
	for {
		if err := b.keepCopy(ctx); err != nil && ctx.Err() == nil {
			b.log.Warn("keeping a copy of the store", "file", b.CopyFile, "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-b.copies:
		}
	}
}

// keepCopy, but not of a store that is being recovered: the copy that is there may be all that is left of the one before.
func (b *brain) keepCopy(ctx context.Context) error {
	recovering := false
	if err := b.do(ctx, func() error { recovering = b.recovery != nil; return nil }); err != nil || recovering {
		return err
	}
	return SaveFile(b.CopyFile, func(w io.Writer) error { return b.Backup(ctx, w, false) })
}

// copyIsDue tells keepCopies.
func (b *brain) copyIsDue() {
	select {
	case b.copies <- struct{}{}:
	default:
	}
}

// SaveFile writes a file that is nobody else's to read. It replaces one that is there only by a whole one.
func SaveFile(path string, write func(io.Writer) error) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part") // 0600
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("writing %s: %w", path, err), os.Remove(file.Name()))
		}
	}()
	if err = write(file); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

// Restored says what a backup brought back.
type Restored struct {
	Cluster, Framework string
	Epoch              int64
	Nodes              int
}

// Restore fills an empty store with a backup: all of it is read and understood before anything is written. The epoch rises, so that nodes take this state's orders
// though they know newer ones, and the ledger is doubted: nothing is bought before the cluster's volumes were listed.
func Restore(ctx context.Context, s store.Store, backup store.Backup, now time.Time) (Restored, error) {
	if backup.Kind != store.BackupState {
		return Restored{}, fmt.Errorf("restoring: %w: it holds the keys alone; `recover --from-nodes` starts with it", store.ErrBackup)
	}
	if err := isEmpty(ctx, s); err != nil {
		return Restored{}, err
	}
	b, memory, err := offline(ctx, backup.Records, now)
	if err != nil {
		return Restored{}, fmt.Errorf("restoring: %w", err)
	}
	b.raiseEpoch()
	b.doubtLedger()
	b.disownService()
	b.event(nil, "Restored", "from a backup of %s, under epoch %d", backup.Made.Format(time.RFC3339), b.state.Cluster.Epoch)
	if err := b.store(ctx); err != nil {
		return Restored{}, err
	}
	all, err := memory.List(ctx, "")
	if err == nil {
		err = store.Fill(ctx, s, all, keyCluster)
	}
	if err != nil {
		return Restored{}, fmt.Errorf("restoring: %w", err)
	}
	return Restored{b.state.Cluster.ID, b.framework.ID, b.state.Cluster.Epoch, len(b.state.Nodes)}, nil
}

// disownService: that an SDS was in maintenance for us when the backup was made doesn't say whose it is now, and what may be a person's isn't ended.
func (b *brain) disownService() {
	m := b.state.Leases.Service
	if m == nil {
		return
	}
	b.state.Leases.Service = nil
	b.touched[keyLeases] = true
	b.event(b.state.Nodes[m.Node], "MaintenanceForgotten", "its SDS %s was in maintenance for its reboot when the backup was made: if it still is and nobody put it there, end that in the product", m.Name)
}

// ErrNotEmpty: what is there is never overwritten.
var ErrNotEmpty = errors.New("the store isn't empty: --replace keeps what it holds aside")

func isEmpty(ctx context.Context, s store.Store) error {
	all, err := s.List(ctx, "")
	if err == nil && len(all) > 0 {
		err = ErrNotEmpty
	}
	return err
}

// offline is a brain over a copy of records in memory: it decides nothing and calls nobody.
func offline(ctx context.Context, records []store.Record, now time.Time) (*brain, *store.Memory, error) {
	memory := &store.Memory{}
	if err := store.Fill(ctx, memory, records, keyCluster); err != nil {
		return nil, nil, err
	}
	b, err := opened(ctx, memory, now)
	return b, memory, err
}

func opened(ctx context.Context, s store.Store, now time.Time) (*brain, error) {
	b := newBrain(Options{Settings: decide.Settings{}, Store: s, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	found, err := b.load(ctx)
	if err == nil && !found {
		err = fmt.Errorf("reading the store: %w: it is empty", store.ErrNotFound)
	}
	b.state.Now = now
	return b, err
}

// raiseEpoch above every order that a node is known to have heard, of a state that may be older than what was done since.
func (b *brain) raiseEpoch() {
	c := &b.state.Cluster
	c.Epoch, c.Shown = max(c.Epoch, c.Shown)+1, 0
	b.touched[keyCluster] = true
	for _, n := range b.state.Nodes {
		n.Untold = true
		b.touchNode(n)
	}
	b.doubtTasks()
}

// surpass an epoch that a node shows though nothing was told to it under ours: the same backup was restored before, or another scheduler went on from elsewhere. So each node is
// listened to before it gets its first order, and that is above all that it ever heard.
func (b *brain) surpass(n *decide.Node, shown int64) {
	c := &b.state.Cluster
	if !n.Untold || shown < c.Epoch || shown > c.Epoch+decide.MaxJump {
		return
	}
	c.Shown = max(c.Shown, shown)
	b.raiseEpoch()
	b.doubtLedger()
	b.event(n, "EpochSurpassed", "it heard orders of epoch %d, which this scheduler didn't give: all that follow are of epoch %d", shown, c.Epoch)
}

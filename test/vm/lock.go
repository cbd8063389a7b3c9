package vm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Lock makes sure that one machine runs, or one image is made, at a time, whoever's it is: two emulations on two cores would only fail each other's deadlines.
// It waits for the one that runs; the kernel opens the lock when its holder ends, however it ends.
func Lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(CacheDir, 0o755); err != nil {
		return nil, fmt.Errorf("locking virtual machines: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(CacheDir, "vm.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking virtual machines: %w", err)
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = file.Close() }, nil
		case err != unix.EWOULDBLOCK:
			_ = file.Close()
			return nil, fmt.Errorf("locking virtual machines: %w", err)
		}
		select {
		case <-ctx.Done():
			_ = file.Close()
			return nil, fmt.Errorf("waiting for another virtual machine to end: %w", context.Cause(ctx))
		case <-tick.C:
		}
	}
}

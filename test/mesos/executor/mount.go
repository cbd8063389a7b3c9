package executor

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// bindMounts makes this process' mount namespace a slave of the host's: mounts
// of the host show up here, none made here gets out. Then it binds the volumes.
func (e *Executor) bindMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_SLAVE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("making / a slave of the host's mounts: %w", err)
	}
	for _, m := range e.spec.Mounts {
		if _, err := os.Stat(m.Target); err != nil {
			return fmt.Errorf("mounting volume %s: %w", m.Source, err)
		}
		if err := unix.Mount(m.Source, m.Target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("mounting volume %s at %s: %w", m.Source, m.Target, err)
		}
		if m.ReadOnly {
			if err := unix.Mount("", m.Target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
				return fmt.Errorf("making volume %s at %s read-only: %w", m.Source, m.Target, err)
			}
		}
	}
	return nil
}

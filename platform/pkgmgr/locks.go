package pkgmgr

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"scaleio-framework/platform"
)

const (
	lockPoll = 500 * time.Millisecond
	lockWait = 5 * time.Minute
)

// locks of other package tools, which the tools themselves wait for in part at most. A file that exists says nothing, and it is never deleted.
type locks struct {
	root  platform.Root
	files []string
	held  func(file string) (pid int, err error)
}

// debLocks are POSIX locks. apt waits for the first two at most, and only from 1.9.11 on; never for lists and archives.
func debLocks(root platform.Root) locks {
	return locks{root: root, held: holder,
		files: []string{"/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/cache/apt/archives/lock"}}
}

// rpmLocks: rpm's is a POSIX lock, which it waits for on a terminal only. Those of dnf and yum are files with a process id; one whose process is gone is
// taken over by the next.
func rpmLocks(root platform.Root) locks {
	held := func(file string) (int, error) {
		if strings.HasSuffix(file, ".pid") {
			return pidHolder(file)
		}
		return holder(file)
	}
	return locks{root: root, held: held, files: []string{"/var/lib/rpm/.rpm.lock", "/var/lib/dnf/rpmdb_lock.pid", "/var/cache/dnf/metadata_lock.pid",
		"/var/cache/dnf/download_lock.pid", "/var/run/yum.pid"}}
}

// wait until nobody holds a lock.
func (l locks) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, errors.New("waited long enough"))
	defer cancel()
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for {
		file, pid, err := l.first()
		if err != nil || file == "" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for process %d (%s), which holds %s: %w", pid, l.command(pid), file,
				&Error{Kind: Locked, Detail: "another package tool is at work", Err: context.Cause(ctx)})
		case <-ticker.C:
		}
	}
}

func (l locks) first() (file string, pid int, err error) {
	for _, file := range l.files {
		pid, err := l.held(l.root.Path(file))
		if err != nil {
			return "", 0, fmt.Errorf("looking at lock %s: %w", file, err)
		}
		if pid != 0 {
			return file, pid, nil
		}
	}
	return "", 0, nil
}

func (l locks) command(pid int) string {
	comm, err := os.ReadFile(l.root.Path(fmt.Sprintf("/proc/%d/comm", pid)))
	if err != nil {
		return "?"
	}
	return strings.TrimSpace(string(comm))
}

// holder asks the kernel who holds a POSIX lock on the file, 0 if nobody.
func holder(path string) (int, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(file.Fd(), unix.F_GETLK, &lock); err != nil {
		return 0, err
	}
	if lock.Type == unix.F_UNLCK {
		return 0, nil
	}
	if lock.Pid == 0 { // held from outside our PID namespace
		return -1, nil
	}
	return int(lock.Pid), nil
}

// pidHolder is the process that a file names, 0 if it is gone.
func pidHolder(path string) (int, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 { // being written, or nobody's
		return 0, nil
	}
	if err := unix.Kill(pid, 0); errors.Is(err, unix.ESRCH) {
		return 0, nil
	}
	return pid, nil
}

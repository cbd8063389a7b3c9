package nodes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Process names one process for longer than it lives: process ids are used
// again, an id together with its start time is not.
type Process struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
}

// pollEvery is how often the host is asked about things that it can't tell of
// by itself: the end of a process that is not ours, a node's first answer.
const pollEvery = 50 * time.Millisecond

func processOf(pid int) (Process, error) {
	stat, err := readStat(pid)
	if err != nil {
		return Process{}, err
	}
	return Process{PID: pid, Start: stat.start}, nil
}

// Alive is false for a zombie: nobody may be there to reap it.
func (p Process) Alive() bool {
	if p.PID == 0 {
		return false
	}
	stat, err := readStat(p.PID)
	return err == nil && stat.start == p.Start && stat.state != "Z" && stat.state != "X"
}

func (p Process) signal(s unix.Signal) error {
	if !p.Alive() {
		return nil
	}
	if err := unix.Kill(p.PID, s); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("sending %v to process %d: %w", s, p.PID, err)
	}
	return nil
}

// wait returns once the process is gone.
func (p Process) wait(ctx context.Context) error {
	return poll(ctx, fmt.Sprintf("the end of process %d", p.PID), func() bool { return !p.Alive() })
}

func poll(ctx context.Context, what string, done func() bool) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, context.Cause(ctx))
		case <-tick.C:
		}
	}
	return nil
}

type procStat struct {
	state  string
	parent int
	start  uint64
}

// readStat reads /proc/PID/stat; the name in parentheses may hold anything, so
// fields are counted from the last one.
func readStat(pid int) (procStat, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return procStat{}, fmt.Errorf("looking at process %d: %w", pid, err)
	}
	text := string(data)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return procStat{}, fmt.Errorf("looking at process %d: unexpected stat %q", pid, text)
	}
	parent, err1 := strconv.Atoi(fields[1])
	start, err2 := strconv.ParseUint(fields[19], 10, 64)
	return procStat{state: fields[0], parent: parent, start: start}, errors.Join(err1, err2)
}

// childrenOf scans /proc: not every kernel has task/PID/children.
func childrenOf(parent int) []int {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	var found []int
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if stat, err := readStat(pid); err == nil && stat.parent == parent {
			found = append(found, pid)
		}
	}
	return found
}

// isInit tells a container's init: it has the id 1 in the innermost of its
// process-id namespaces.
func isInit(pid int) bool {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	for _, line := range strings.Split(string(data), "\n") {
		if ids, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(ids)
			return len(fields) > 1 && fields[len(fields)-1] == "1"
		}
	}
	return false
}

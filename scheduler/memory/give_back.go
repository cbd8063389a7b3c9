package memory

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
)

const maps = "/proc/self/smaps"

// GiveBack lets go of memory that isn't in use: free heap goes to the kernel, and pages of the program are mapped again when they are next touched. They stay in the kernel's cache
// meanwhile, so touching them costs no I/O unless memory became short. An error leaves everything as it was.
func GiveBack() error {
	debug.FreeOSMemory()
	program, err := os.Readlink("/proc/self/exe") // with " (deleted)" where another took its place, as in the list of mappings
	if err != nil {
		return fmt.Errorf("giving back memory: %w", err)
	}
	return Release(program)
}

// Release the pages of a file that this process has mapped and only reads, as GiveBack does with the program's own. The caller sees to it that nobody takes the mapping away
// meanwhile: something else may come to its place, and would be lost.
func Release(path string) error {
	file, err := os.Open(maps)
	if err != nil {
		return fmt.Errorf("releasing pages of %s: %w", path, err)
	}
	defer file.Close()
	all, err := onlyRead(file, path)
	if err != nil {
		return fmt.Errorf("releasing pages of %s: reading %s: %w", path, maps, err)
	}
	for _, m := range all {
		if _, _, failed := syscall.Syscall(syscall.SYS_MADVISE, m.start, m.end-m.start, syscall.MADV_DONTNEED); failed != 0 {
			return fmt.Errorf("releasing pages of %s: %w", path, failed)
		}
	}
	return nil
}

// A mapping is a span of addresses.
type mapping struct{ start, end uintptr }

// onlyRead are the mappings of a file that this process can't write to, and never did: a dynamic linker writes to some and then locks them, and what it wrote is in no file.
func onlyRead(smaps io.Reader, path string) (all []mapping, err error) {
	lines := bufio.NewScanner(smaps)
	for of := false; lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) < 2:
		case !strings.HasSuffix(fields[0], ":"): // start-end rwxp offset device inode path
			if of = len(fields) > 5 && strings.HasSuffix(lines.Text(), " "+path) && !strings.Contains(fields[1], "w"); !of {
				continue
			}
			var m mapping
			if _, err := fmt.Sscanf(fields[0], "%x-%x", &m.start, &m.end); err != nil {
				return nil, fmt.Errorf("%q: %w", lines.Text(), err)
			}
			all = append(all, m)
		case of && fields[1] != "0" && (fields[0] == "Anonymous:" || fields[0] == "Swap:"):
			all, of = all[:len(all)-1], false
		}
	}
	return all, lines.Err()
}

package block

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/sys/mountinfo"
)

// family of a disk: its own number, its partitions', and those of what is built upon them (LVM, LUKS, md ...), each with its kernel name.
type family map[number]string

// family walks down from a disk. Partitions and holders are listed besides.
func (s *Scanner) family(disk Disk) (all family, partitions, holders []string) {
	all = family{number{disk.Major, disk.Minor}: disk.Kernel}
	dirs := []string{filepath.Join("sys/block", disk.Kernel)}
	for len(dirs) > 0 {
		dir := dirs[0]
		dirs = dirs[1:]
		for _, part := range s.list(dir) {
			sub := filepath.Join(dir, part)
			if s.text(filepath.Join(sub, "partition")) == "" {
				continue
			}
			if n, ok := parseNumber(strings.TrimSpace(s.text(filepath.Join(sub, "dev")))); ok {
				all[n] = part
			}
			if dir == filepath.Join("sys/block", disk.Kernel) {
				partitions = append(partitions, part)
			}
			dirs = append(dirs, sub)
		}
		for _, holder := range s.list(filepath.Join(dir, "holders")) {
			if slices.Contains(holders, holder) {
				continue
			}
			holders = append(holders, holder)
			sub := filepath.Join("sys/block", holder)
			if n, ok := parseNumber(strings.TrimSpace(s.text(filepath.Join(sub, "dev")))); ok {
				all[n] = holder
			}
			dirs = append(dirs, sub)
		}
	}
	return all, partitions, holders
}

func (s *Scanner) list(dir string) []string {
	entries, err := os.ReadDir(s.root.Path(dir))
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// inUse says who uses a disk: mounts, swaps, holders, open files. An error means that it couldn't be seen.
func (s *Scanner) inUse(disk Disk) (r refusals, err error) {
	all, partitions, holders := s.family(disk)
	if len(partitions) > 0 {
		r.add(ReasonHasPartitionTable, "%s has partitions: %s", disk.Path, strings.Join(partitions, ", "))
	}
	for _, holder := range holders {
		if strings.HasPrefix(s.attribute(holder, "dm/uuid"), "mpath-") {
			r.add(ReasonMultipathMember, "%s is one path of multipath device %s", disk.Path, holder)
		}
		r.add(ReasonHasHolder, "%s is a part of %s", disk.Path, holder)
	}
	if slaves := s.list(filepath.Join("sys/block", disk.Kernel, "slaves")); len(slaves) > 0 && disk.Type == TypeDisk {
		r.add(ReasonHasHolder, "%s is built upon %s", disk.Path, strings.Join(slaves, ", "))
	}
	mounts, err1 := s.mounted(disk, all)
	swaps, err2 := s.swaps(disk, all)
	opens, err3 := s.openFiles(disk, all)
	return append(append(append(r, mounts...), swaps...), opens...), errors.Join(err1, err2, err3)
}

// mounted reads PID 1's mounts: ours may be other ones. A mount counts by the number of its file system, and by its source, as btrfs has numbers of its own.
func (s *Scanner) mounted(disk Disk, all family) (refusals, error) {
	file, err := os.Open(s.root.Path("proc/1/mountinfo"))
	if err != nil {
		return nil, fmt.Errorf("reading the mounts of PID 1: %w", err)
	}
	defer file.Close()
	mounts, err := mountinfo.GetMountsFromReader(file, nil)
	if err != nil {
		return nil, fmt.Errorf("reading the mounts of PID 1: %w", err)
	}
	var r refusals
	seen := map[string]bool{}
	for _, m := range mounts {
		by, hit := all[number{uint32(m.Major), uint32(m.Minor)}] //nolint:gosec // the kernel's own numbers
		if !hit && strings.HasPrefix(m.Source, "/dev/") {
			by, hit = s.member(m.Source, all)
		}
		if !hit || seen[m.Mountpoint] {
			continue
		}
		seen[m.Mountpoint] = true
		if m.Mountpoint == "/" {
			r.add(ReasonRootDisk, "%s holds the root file system, on %s", disk.Path, by)
		}
		r.add(ReasonMounted, "%s is mounted on %s", by, m.Mountpoint)
	}
	return r, nil
}

// member tells whether a path leads to one of the family.
func (s *Scanner) member(path string, all family) (name string, ok bool) {
	n, isBlock, err := s.devices.number(s.root.Path(path))
	if err != nil || !isBlock {
		return "", false
	}
	name, ok = all[n]
	return name, ok
}

func (s *Scanner) swaps(disk Disk, all family) (refusals, error) {
	text, err := os.ReadFile(s.root.Path("proc/swaps"))
	if errors.Is(err, fs.ErrNotExist) { // a kernel without swap
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading swaps: %w", err)
	}
	var r refusals
	for _, path := range parseSwaps(string(text)) {
		if name, ok := s.member(path, all); ok {
			r.add(ReasonSwap, "%s is used as swap (%s)", disk.Path, name)
		}
	}
	return r, nil
}

// parseSwaps gives the paths of /proc/swaps. The kernel writes blanks in them as \040.
func parseSwaps(text string) []string {
	var paths []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || !strings.HasPrefix(fields[0], "/") {
			continue
		}
		paths = append(paths, unescapeOctal(fields[0]))
	}
	return paths
}

func unescapeOctal(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if c, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// openFiles looks through the files that processes have open. Where that isn't allowed it is an error: not having looked is no proof.
func (s *Scanner) openFiles(disk Disk, all family) (refusals, error) {
	var r refusals
	var unseen error
	for _, pid := range s.list("proc") {
		if _, err := strconv.Atoi(pid); err != nil {
			continue
		}
		dir := s.root.Path("proc", pid, "fd")
		entries, err := os.ReadDir(dir)
		if err != nil && !gone(err) {
			unseen = fmt.Errorf("looking for open files of process %s: %w", pid, err)
		}
		for _, fd := range entries {
			link := filepath.Join(dir, fd.Name())
			target, err := os.Readlink(link)
			if err != nil || !strings.HasPrefix(target, "/") { // a socket, a pipe
				continue
			}
			// The name says nothing: anybody may make a node for a disk anywhere. Which device it is says the number behind the descriptor.
			n, isBlock, err := s.devices.opened(link)
			if err != nil || !isBlock {
				continue
			}
			if name, ok := all[n]; ok {
				r.add(ReasonInUse, "%s is open in process %s (%s)", name, pid, strings.TrimSpace(s.text(filepath.Join("proc", pid, "comm"))))
				r[len(r)-1].Process = pid
				break
			}
		}
	}
	return r, unseen
}

func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) }

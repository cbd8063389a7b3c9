package installer

import (
	"errors"
	"sync"
	"time"

	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
)

// ReasonSettling of a disk whose contents wait to be read until udev has done with it.
const ReasonSettling = "Settling"

var errSettling = errors.New("udev isn't done with it")

const settlingMessage = "it came or changed just now: its contents are read when udev has done with it"

// settlingLimit is how long a disk whose settling nobody tells of is left alone: events may be lost, and whoever tells of them may end.
const settlingLimit = 30 * time.Second

// settling are the disks that came or changed and that udev isn't done with. What they are is read at once, from /sys; what they hold waits: udev's rules open a new
// disk for themselves alone, to assemble a RAID or to activate a volume group, and fail for good if somebody else has it open so at that moment.
type settling struct {
	mu    sync.Mutex
	since map[string]time.Time // by kernel name; "" = any
}

func (s *settling) begin(name string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since == nil {
		s.since = map[string]time.Time{}
	}
	s.since[name] = now
}

func (s *settling) end(names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		delete(s.since, name)
	}
}

func (s *settling) is(name string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range []string{name, ""} {
		if since, ok := s.since[n]; ok && now.Sub(since) < settlingLimit {
			return true
		}
	}
	return false
}

// DiskSeen is to be called at once when the kernel says that a disk came or changed, by its kernel name, "" = any did. It gives what the disk is, if it is one that
// the machine could give, and leaves its contents alone until DisksSettled.
func (i *Installer) DiskSeen(name string) (disk api.Disk, ok bool) {
	i.survey.settling.begin(name, i.sys.Clock())
	d, ok := i.sys.Disks.Look(name)
	if !ok || !listed(d) {
		return api.Disk{}, false
	}
	return reported(d), true
}

// DisksSettled says that udev has done with disks that were seen: they are read anew, since a person may have wiped what stood against one.
func (i *Installer) DisksSettled(names []string) {
	i.survey.forget(names)
	i.survey.settling.end(names)
}

// listed: volumes of the cluster itself and drives without a medium of their own aren't.
func listed(d block.Disk) bool {
	return d.Type != block.TypeProductVolume && d.Type != block.TypeROM && d.Type != block.TypeVirtual
}

func reported(d block.Disk) api.Disk {
	return api.Disk{ID: d.ID, Path: d.Path, Link: d.Link, SizeBytes: d.SizeBytes, Model: d.Model}
}

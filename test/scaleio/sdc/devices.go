package sdc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Paths are where a node's kernel things are.
type Paths struct {
	Dev         string        // /dev
	LoopControl string        // /dev/loop-control
	Volumes     string        // the hidden mount
	LinkDelay   time.Duration // the product's by-id link comes from udev, later than the device
}

const retryAfter = time.Second

// attached is a volume that has its block device.
type attached struct {
	volume    *Volume
	file      string
	loop      *loopDevice
	node      string // /dev/scinia
	link      string // /dev/disk/by-id/emc-vol-SYSTEM-VOLUME
	sizeBytes int64
	linking   *time.Timer
}

// devices keeps one block device per mapped volume.
type devices struct {
	paths Paths
	fs    *volumeFS
	log   *slog.Logger

	mu  sync.Mutex
	all map[*Volume]*attached
}

func newDevices(p Paths, log *slog.Logger) (*devices, error) {
	if err := removeStale(p); err != nil {
		return nil, err
	}
	f, err := mountVolumeFS(p.Volumes)
	if err != nil {
		return nil, err
	}
	return &devices{paths: p, fs: f, log: log, all: map[*Volume]*attached{}}, nil
}

func byID(dev string) string { return filepath.Join(dev, "disk", "by-id") }

// removeStale takes away the nodes and links of a daemon that was killed. Its loop devices cleared themselves, or do so when what is
// mounted on them is unmounted; their numbers may be somebody else's by now.
func removeStale(p Paths) error {
	nodes, err := filepath.Glob(filepath.Join(p.Dev, "scini?*"))
	if err != nil {
		return fmt.Errorf("looking for old nodes: %w", err)
	}
	links, err := filepath.Glob(filepath.Join(byID(p.Dev), "emc-vol-*"))
	if err != nil {
		return fmt.Errorf("looking for old links: %w", err)
	}
	for _, path := range append(nodes, links...) {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("removing what an earlier run left: %w", err)
		}
	}
	return nil
}

// reconcile makes the devices those of the wanted volumes; false means that something has to be tried again.
func (d *devices) reconcile(wanted []*Volume) (done bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	keep := map[*Volume]bool{}
	for _, v := range wanted {
		keep[v] = true
	}
	for v, a := range d.all {
		if !keep[v] {
			d.detach(a)
			delete(d.all, v)
			d.log.Info("volume unmapped", "volume", v.id, "node", a.node)
		}
	}
	done = true
	for _, v := range wanted {
		a := d.all[v]
		switch size := v.SizeBytes(); {
		case a == nil:
			a, err := d.attach(v)
			if err != nil {
				d.log.Error("attaching a volume failed, will retry", "volume", v.id, "err", err)
				done = false
				continue
			}
			d.all[v] = a
			d.log.Info("volume mapped", "volume", v.id, "node", a.node, "loop", a.loop.minor)
		case a.sizeBytes != size:
			if err := a.loop.grow(a.file); err != nil {
				d.log.Error("growing a volume failed, will retry", "volume", v.id, "err", err)
				done = false
				continue
			}
			a.sizeBytes = size
		}
	}
	return done
}

func (d *devices) attach(v *Volume) (*attached, error) {
	a := &attached{volume: v, sizeBytes: v.SizeBytes(), file: d.fs.add(v)}
	var err error
	if a.loop, err = newLoop(d.paths.LoopControl, d.paths.Dev, a.file); err != nil {
		d.fs.remove(a.file)
		return nil, err
	}
	a.node = d.freeNode()
	if err := makeBlockNode(a.node, a.loop.minor); err != nil {
		d.fs.remove(a.file)
		return nil, errors.Join(err, a.loop.close())
	}
	a.link = filepath.Join(byID(d.paths.Dev), "emc-vol-"+v.system.systemID()+"-"+v.id)
	a.linking = time.AfterFunc(d.paths.LinkDelay, func() { d.linkTo(a) })
	return a, nil
}

func (d *devices) linkTo(a *attached) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all[a.volume] != a {
		return
	}
	err := os.MkdirAll(filepath.Dir(a.link), 0o755)
	if err == nil {
		err = os.Symlink(filepath.Join("..", "..", filepath.Base(a.node)), a.link)
	}
	if err != nil {
		d.log.Error("linking a volume failed", "volume", a.volume.id, "err", err)
	}
}

// freeNode is scinia, scinib, ... sciniaa: the first that no attached volume has.
func (d *devices) freeNode() string {
	used := map[string]bool{}
	for _, a := range d.all {
		used[a.node] = true
	}
	for n := 0; ; n++ {
		if node := filepath.Join(d.paths.Dev, "scini"+letters(n)); !used[node] {
			return node
		}
	}
}

func letters(n int) string {
	s := string(rune('a' + n%26))
	if n < 26 {
		return s
	}
	return letters(n/26-1) + s
}

// detach removes the names at once. A file system that is still mounted keeps its loop device, but every access fails.
func (d *devices) detach(a *attached) {
	a.linking.Stop()
	for _, path := range []string{a.link, a.node} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			d.log.Warn("removing a volume's name failed", "path", path, "err", err)
		}
	}
	if err := a.loop.close(); err != nil {
		d.log.Warn("releasing a volume's device failed", "volume", a.volume.id, "err", err)
	}
	d.fs.remove(a.file)
}

// inUse names the volumes that are mounted or held: opening a block device exclusively is how the kernel tells.
func (d *devices) inUse() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var used []string
	for _, a := range d.all {
		fd, err := unix.Open(a.node, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
		if err != nil {
			used = append(used, strings.TrimPrefix(a.node, d.paths.Dev+"/"))
			continue
		}
		_ = unix.Close(fd)
	}
	return used
}

// close is for the end of the daemon: nothing is in use any more.
func (d *devices) close() error {
	d.reconcile(nil)
	return d.fs.close()
}

// run follows the volumes until ctx ends.
func (d *devices) run(ctx context.Context, mapped <-chan struct{}, volumes func() []*Volume) {
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-mapped:
		case <-retry.C:
		}
		if !d.reconcile(volumes()) {
			retry.Reset(retryAfter)
		}
	}
}

package platformtest

import (
	"context"
	"fmt"
	"sync"

	"scaleio-framework/platform"
	"scaleio-framework/platform/block"
)

// Disks of a machine, with the reasons why each may not be given away.
type Disks struct {
	Hook Hook

	mu       sync.Mutex
	disks    []block.Disk
	refusals map[string][]block.Refusal // by path
	inspects map[string]int             // by path
}

// Attach a disk.
func (d *Disks) Attach(disk block.Disk, refusals ...block.Refusal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.disks = append(d.disks, disk)
	d.refuse(disk.Path, refusals)
}

// Detach the disk with this path.
func (d *Disks) Detach(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := d.disks[:0]
	for _, disk := range d.disks {
		if disk.Path != path {
			kept = append(kept, disk)
		}
	}
	d.disks = kept
}

// Refuse changes why the disk with this path may not be given away; no reason = it may.
func (d *Disks) Refuse(path string, refusals ...block.Refusal) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refuse(path, refusals)
}

func (d *Disks) refuse(path string, refusals []block.Refusal) {
	if d.refusals == nil {
		d.refusals = map[string][]block.Refusal{}
	}
	d.refusals[path] = refusals
}

// Inspections tells how often the disk with this path was read.
func (d *Disks) Inspections(path string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inspects[path]
}

// Scan lists the disks.
func (d *Disks) Scan(context.Context) (disks []block.Disk, err error) {
	err = d.Hook.do("scan-disks", func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		disks = append(disks, d.disks...)
		return nil
	})
	return disks, err
}

// Look at one disk.
func (d *Disks) Look(name string) (block.Disk, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, disk := range d.disks {
		if disk.Kernel == name {
			return disk, true
		}
	}
	return block.Disk{}, false
}

// Inspect a disk. The rules about type, size and identity are applied here too.
func (d *Disks) Inspect(_ context.Context, disk block.Disk, rules block.Rules) (refusals []block.Refusal, err error) {
	err = d.Hook.do("inspect-disk "+disk.Path, func() error {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, there := range d.disks {
			if there.Path != disk.Path {
				continue
			}
			if d.inspects == nil {
				d.inspects = map[string]int{}
			}
			d.inspects[disk.Path]++
			refusals = append(block.Judge(there, rules), d.refusals[disk.Path]...)
			if there.ID != disk.ID {
				refusals = append(refusals, block.Refusal{Reason: block.ReasonIdentityChanged, Message: disk.Path + " is another disk now"})
			}
			return nil
		}
		return fmt.Errorf("inspecting %s: %w", disk.Path, platform.ErrNotFound)
	})
	return refusals, err
}

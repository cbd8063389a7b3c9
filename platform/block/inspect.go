package block

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Inspect says everything that stands against giving a disk away, or nothing. The disk is looked up again first, by path, and must still be the one that was
// meant. An error means that something could not be seen: then nothing is known, and the disk must not be given away either.
func (s *Scanner) Inspect(ctx context.Context, disk Disk, rules Rules) ([]Refusal, error) {
	disks, err := s.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("inspecting %s: %w", disk.Path, err)
	}
	var r refusals
	at := slices.IndexFunc(disks, func(d Disk) bool { return d.Path == disk.Path })
	if at < 0 {
		r.add(ReasonIdentityChanged, "%s isn't there any more", disk.Path)
		return r, nil
	}
	now := disks[at]
	if now.ID != disk.ID || now.SizeBytes != disk.SizeBytes || now.Major != disk.Major || now.Minor != disk.Minor {
		r.add(ReasonIdentityChanged, "%s is another disk now: %q of %d bytes instead of %q of %d bytes", disk.Path, now.ID, now.SizeBytes, disk.ID, disk.SizeBytes)
	}
	r = append(r, Judge(now, rules)...)
	for _, other := range disks {
		if other.ID != "" && other.ID == now.ID && other.Kernel != now.Kernel {
			r.add(ReasonDuplicateIdentity, "%s and %s both say that they are %s", now.Path, other.Path, now.ID)
		}
	}
	used, err := s.inUse(now)
	r = append(r, used...)
	if err != nil {
		return r, fmt.Errorf("inspecting %s: %w", disk.Path, err)
	}
	if !readable(r) {
		return r, nil
	}
	inside, err := s.contents(ctx, now)
	r = append(r, inside...)
	if err != nil {
		return r, fmt.Errorf("inspecting %s: %w", disk.Path, err)
	}
	return r, nil
}

// readable is false for disks whose contents don't matter any more: in use, or of a type that isn't to be touched. The other refusals don't keep the contents
// from being reported too.
func readable(r refusals) bool {
	return !slices.ContainsFunc(r, func(one Refusal) bool {
		switch one.Reason {
		case ReasonTypeNotAllowed, ReasonProductVolume, ReasonRootDisk, ReasonMounted, ReasonSwap, ReasonHasHolder, ReasonMultipathMember, ReasonInUse:
			return true
		}
		return false
	})
}

// contents opens the disk exclusively and looks for signatures and for anything that isn't zero.
func (s *Scanner) contents(ctx context.Context, disk Disk) (r refusals, err error) {
	dev, err := s.devices.open(disk.Path)
	if errors.Is(err, errBusy) {
		r.add(ReasonInUse, "%s is %s", disk.Path, errBusy)
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	defer dev.Close()
	num, size, err := dev.is()
	if err != nil {
		return nil, err
	}
	if num != (number{disk.Major, disk.Minor}) || size != disk.SizeBytes {
		r.add(ReasonIdentityChanged, "%s is device %s of %d bytes when opened, %d:%d of %d bytes in /sys", disk.Path, num, size, disk.Major, disk.Minor, disk.SizeBytes)
		return r, nil
	}
	found, err := signatures(disk, dev, size)
	r = append(r, found...)
	if err != nil {
		return r, err
	}
	found, err = s.secondOpinion(ctx, disk)
	r = append(r, found...)
	if err != nil {
		return r, err
	}
	data, err := firstData(ctx, dev, size)
	if err != nil {
		return r, err
	}
	if data >= 0 {
		r.add(ReasonNotEmpty, "%s holds data at byte %d", disk.Path, data)
	}
	return r, nil
}

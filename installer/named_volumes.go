package installer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"scaleio-framework/platform"
	"scaleio-framework/platform/aws"
	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
)

// namedVolumes gives an identity to EBS volumes whose disks show none: under Xen a disk has no serial, and the name that its attachment asked for is all there is.
// What EC2 said of them is kept in a file, and asked again before one is handed over.
type namedVolumes struct {
	Disks
	files Files
	mu    sync.Mutex
}

const (
	namedFile     = stateDir + "/volumes.json"
	damagedSuffix = ".damaged"
)

// A namedVolume is known by the name of its attachment.
type namedVolume struct {
	Volume    string `json:"volume"`
	Device    string `json:"device"`
	SizeBytes int64  `json:"sizeBytes"`
}

// errDamaged: nobody knows any more what the record said.
var errDamaged = errors.New("damaged")

// known ones.
func (n *namedVolumes) known() ([]namedVolume, error) {
	data, err := n.files.Read(namedFile)
	if errors.Is(err, platform.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading which volume is which disk: %w", err)
	}
	var all []namedVolume
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("reading which volume is which disk: %s is %w: %v", namedFile, errDamaged, err)
	}
	return all, nil
}

// note that EC2 attached a volume under this name. Whatever had the name before hasn't got it any more. A damaged record is set aside: EC2 says anew what is what.
func (n *namedVolumes) note(v namedVolume) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	all, err := n.known()
	if errors.Is(err, errDamaged) {
		err = n.setAside()
	}
	if err != nil || slices.Contains(all, v) {
		return err
	}
	all = slices.DeleteFunc(all, func(old namedVolume) bool { return old.Volume == v.Volume || old.Device == v.Device })
	data, err := json.Marshal(append(all, v))
	if err == nil {
		err = n.files.MkdirAll(stateDir, 0o700)
	}
	if err == nil {
		err = n.files.Write(namedFile, data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("keeping which volume is which disk: %w", err)
	}
	return nil
}

func (n *namedVolumes) setAside() error {
	data, err := n.files.Read(namedFile)
	if err == nil {
		err = n.files.Write(namedFile+damagedSuffix, data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("setting %s aside, which is damaged: %w", namedFile, err)
	}
	return nil
}

func nameless(d block.Disk) bool {
	return d.ID == "" && d.Transport == "xen" && d.Type == block.TypeDisk
}

// Scan with the volumes' ids where disks have none. A record that can't be read names nothing and hides nothing: such disks are refused for want of an identity.
func (n *namedVolumes) Scan(ctx context.Context) ([]block.Disk, error) {
	disks, err := n.Disks.Scan(ctx)
	if err != nil || !slices.ContainsFunc(disks, nameless) {
		return disks, err
	}
	all, _ := n.known() // Inspect tells why a disk has no name
	for i := range disks {
		for _, v := range all {
			if nameless(disks[i]) && isCalled(disks[i], v.Device) && disks[i].SizeBytes == v.SizeBytes {
				disks[i].ID = v.Volume
			}
		}
	}
	return disks, nil
}

// Inspect a disk: one that has its identity from here shows none of its own, and that isn't held against it.
func (n *namedVolumes) Inspect(ctx context.Context, d block.Disk, rules block.Rules) ([]block.Refusal, error) {
	if nameless(d) {
		return n.inspectNameless(ctx, d, rules)
	}
	if d.Transport != "xen" || !isVolumeID(d.ID) || d.Serial != "" {
		return n.Disks.Inspect(ctx, d, rules)
	}
	d.ID = ""
	refusals, err := n.Disks.Inspect(ctx, d, rules)
	return slices.DeleteFunc(refusals, func(r block.Refusal) bool { return r.Reason == block.ReasonNoIdentity }), err
}

// inspectNameless says why a disk may have lost its name.
func (n *namedVolumes) inspectNameless(ctx context.Context, d block.Disk, rules block.Rules) ([]block.Refusal, error) {
	refusals, err := n.Disks.Inspect(ctx, d, rules)
	_, unread := n.known()
	for i := range refusals {
		if unread != nil && refusals[i].Reason == block.ReasonNoIdentity {
			refusals[i].Message += "; " + unread.Error()
		}
	}
	return refusals, err
}

// nameIt: EC2 has the volume here under that name, and the disk of that name shows no identity of its own.
func (r *round) nameIt(o api.VolumeOrder, v aws.Volume, a aws.Attachment) error {
	var called []surveyed
	for _, d := range r.disks {
		if nameless(d.at) && isCalled(d.at, a.Device) && d.SizeBytes == int64(o.SizeGiB)*gib {
			called = append(called, d)
		}
	}
	if a.State != aws.Attached || len(called) != 1 {
		return nil
	}
	return r.named.note(namedVolume{v.ID, a.Device, called[0].SizeBytes})
}

// confirmNamed asks EC2 once more, right before a disk that is known by its name alone is handed over.
func (o *orders) confirmNamed(ctx context.Context, d surveyed) error {
	if d.at.Transport != "xen" || !isVolumeID(d.ID) || d.at.Serial != "" {
		return nil
	}
	r := &round{volumesBought: volumesBought{o}, shown: map[string]aws.Volume{}}
	if o.Spec.Growth == nil {
		return fmt.Errorf("verifying disk %s: it is known by its name alone, and this node isn't told how to ask EC2 for volume %s", d.Path, d.ID)
	}
	err := r.openCloud(ctx, r)
	if err == nil {
		err = r.see(ctx, map[string]string{api.TagCluster: o.Spec.Version.Cluster, api.TagNode: o.Spec.Node})
	}
	if err != nil {
		return fmt.Errorf("verifying disk %s, which is known by its name alone: %w", d.Path, err)
	}
	a, here := r.shown[d.ID].On(r.instance)
	if !here || a.State != aws.Attached || !isCalled(d.at, a.Device) || int64(r.shown[d.ID].SizeGiB)*gib != d.SizeBytes {
		return fmt.Errorf("verifying disk %s: EC2 doesn't have volume %s here under that name and of that size: it isn't handed over", d.Path, d.ID)
	}
	return nil
}

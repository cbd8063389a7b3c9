package leader

import (
	"fmt"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/api"
)

// diffDevices: every disk that policy lets be used is a device of its node's SDS. A disk goes through claims first: the act is doable only while
// the node's last verification of it is fresh, call included.
func diffDevices(want wanted, o scaleio.Objects) (acts []Act) {
	domain, _ := o.Domain(want.ProtectionDomain)
	pool, havePool := o.Pool(domain.ID, want.StoragePool)
	limits, err := scaleio.LimitsOf(o.Version)
	inPool := 0
	perSDS := map[string]int{}
	for _, d := range o.Devices {
		perSDS[d.SDSID]++
		if d.PoolID == pool.ID {
			inPool++
		}
	}
	for _, disk := range want.Disks {
		act := Act{Kind: AddDevice, Subject: scaleio.DeviceName(disk.Disk), Permanent: true}
		sds, there := o.SDS(disk.SDSName)
		if there {
			done := false
			if act, done = diffDevice(act, disk, sds, pool, o, limits.DeviceLinks); done {
				continue
			}
		}
		switch {
		case act.Obstacle != "":
		case err != nil:
			act.Obstacle, act.Why = ReasonUnknownDialect, err.Error()
		case !there || !havePool:
			act.Wait, act.Why = api.ReasonWaitingForStep, "waits for SDS "+disk.SDSName
		case sds.InMaintenance():
			act.Wait, act.Why = ReasonWaitingForNode, fmt.Sprintf("SDS %s is in maintenance: it is left alone", sds.Name)
		case disk.SizeBytes < limits.MinDeviceBytes:
			act.Obstacle, act.Why = "TooSmall", fmt.Sprintf("disk %s has %d bytes, the product takes none below %d", disk.Disk, disk.SizeBytes, limits.MinDeviceBytes)
		case perSDS[sds.ID] >= limits.DevicesPerSDS || inPool >= limits.DevicesPerPool:
			act.Wait = ReasonLimit
			act.Why = fmt.Sprintf("an SDS takes %d devices and a pool %d; they have %d and %d", limits.DevicesPerSDS, limits.DevicesPerPool, perSDS[sds.ID], inPool)
		default:
			perSDS[sds.ID], inPool = perSDS[sds.ID]+1, inPool+1
			act.Claim = &api.DiskRef{Node: disk.Node, Disk: disk.Disk}
			act = handedOver(act, disk, want)
		}
		acts = append(acts, act)
	}
	return acts
}

// diffDevice looks for the disk among the devices that there are: by name, which holds its identity; a path may have moved to another disk.
//
// It is added by its link where the product takes one. Later an SDS finds its devices by what it wrote on them, whatever they are called then; but it opens a new one
// by the path that it is told, up to PreparedTTL after the node verified it, and a kernel's name may be another disk's by then: one that was plugged out and in, a
// node that rebooted. The link is that disk's or leads nowhere.
func diffDevice(act Act, disk api.CandidateDisk, sds scaleio.SDSObject, pool scaleio.PoolObject, o scaleio.Objects, byLink bool) (Act, bool) {
	for _, d := range o.Devices {
		if d.Name != act.Subject {
			continue
		}
		if d.SDSID == sds.ID && d.PoolID == pool.ID {
			return act, true
		}
		act.Obstacle = ReasonConflict
		act.Why = fmt.Sprintf("disk %s is already device %s of another SDS or pool", disk.Disk, d.ID)
		return act, false
	}
	for _, d := range o.DevicesOf(sds.ID) {
		if d.CurrentPath == disk.Path || d.CurrentPath == disk.Link && disk.Link != "" {
			act.Obstacle = ReasonConflict
			act.Why = fmt.Sprintf("%s of SDS %s is device %s named %q, wanted for disk %s: was a disk renamed?", d.CurrentPath, sds.Name, d.ID, d.Name, disk.Disk)
			return act, false
		}
	}
	path := disk.Path
	if byLink && disk.Link != "" {
		path = disk.Link
	}
	act.Device = scaleio.NewDevice{SDSID: sds.ID, PoolID: pool.ID, Name: act.Subject, Path: path}
	return act, false
}

// handedOver: only a disk that its node verified again after the claim, a moment ago, may be added.
func handedOver(act Act, disk api.CandidateDisk, want wanted) Act {
	verified := want.Received.Add(-time.Duration(disk.PreparedAgeMS) * time.Millisecond)
	act.Fresh = verified.Add(api.PreparedTTL - scaleio.CallTimeout)
	switch {
	case disk.State != api.DiskPrepared:
		act.Wait, act.Why = ReasonWaitingForNode, fmt.Sprintf("disk %s of %s is %s: its node verifies it once more", disk.Disk, disk.SDSName, disk.State)
	case !want.Now.Before(act.Fresh):
		act.Wait, act.Why = ReasonWaitingForNode, fmt.Sprintf("disk %s of %s was verified %s ago: its node verifies it again", disk.Disk, disk.SDSName, want.Now.Sub(verified).Round(time.Second))
	default:
		act.Why = fmt.Sprintf("disk %s of %s isn't in the pool", disk.Disk, disk.SDSName)
	}
	return act
}

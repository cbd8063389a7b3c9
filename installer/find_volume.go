package installer

import (
	"path"
	"slices"
	"strings"

	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
)

const gib = 1 << 30

// diskOf finds the disk that an order's volume became: by its id, which is the serial on Nitro; else by the name that its attachment asked for, where the disk
// has no serial that says otherwise. Its size must be what was ordered. Two that fit are none: one of them is something else.
func diskOf(order api.VolumeOrder, volume, device string, disks []surveyed) (surveyed, bool) {
	size := int64(order.SizeGiB) * gib
	fit := slices.DeleteFunc(disksThatMayBe(volume, device, disks), func(d surveyed) bool { return d.SizeBytes != size || d.ID == "" })
	if len(fit) != 1 {
		return surveyed{}, false
	}
	return fit[0], true
}

// disksThatMayBe a volume, of whatever size, and whether or not they have an identity.
func disksThatMayBe(volume, device string, disks []surveyed) (may []surveyed) {
	for _, d := range disks {
		if volume != "" && (d.ID == volume || !isVolumeID(d.ID) && isCalled(d.at, device)) {
			may = append(may, d)
		}
	}
	return may
}

// isCalled says whether a disk bears the name that was requested for it. Only where the name decides what a disk is called: under Xen, and where a device
// stands in for one. "/dev/sdf" is "/dev/xvdf" to most kernels.
func isCalled(d block.Disk, device string) bool {
	if device == "" || d.Transport != "xen" && d.Type != block.TypeLoop {
		return false
	}
	name := path.Base(device)
	letters := strings.TrimPrefix(strings.TrimPrefix(name, "xvd"), "sd")
	return slices.Contains([]string{name, "xvd" + letters, "sd" + letters}, path.Base(d.Path))
}

func isVolumeID(id string) bool { return strings.HasPrefix(id, "vol-") }

// orderState is how far an order is: what is here counts, whatever EC2 was seen to say.
func (o *orders) orderState(order api.VolumeOrder, disks []surveyed) api.OrderState {
	p := o.purchases.get(order)
	d, here := diskOf(order, p.VolumeID, p.device, disks)
	if !here {
		return p.OrderState
	}
	p.Disk = d.ID
	if !order.Abandon {
		p.Stage, p.Reason, p.Message, p.Retry, p.Burnt = api.OrderPresent, "", "volume "+p.VolumeID+" is here as "+d.Path, false, false
	}
	return p.OrderState
}

func (o *orders) orderStates(disks []surveyed) []api.OrderState {
	if o.Spec.Growth == nil {
		return nil
	}
	var all []api.OrderState
	for _, order := range o.Spec.Growth.Orders {
		all = append(all, o.orderState(order, disks))
	}
	return all
}

// bought decides about empty disks that nobody claimed: one that was ordered needs no approval of its own, the expansion has it; one whose order was given up
// isn't offered any more.
func (o *orders) bought(disks []surveyed) {
	if o.Spec.Growth == nil {
		return
	}
	for _, order := range o.Spec.Growth.Orders {
		p := o.purchases.get(order)
		found, here := diskOf(order, p.VolumeID, p.device, disks)
		for i := range disks {
			d := &disks[i]
			if !here || d.at.Path != found.at.Path || d.claim != nil || d.intent != nil || len(d.refusals) > 0 || d.State == api.DiskAdopted {
				continue
			}
			switch {
			case order.Abandon:
				d.State, d.Reason, d.Message = api.DiskRefused, reasonAbandoned, "empty; the order that it was bought for was given up"
			case o.Spec.Disks.Use != api.DiskUseNone:
				d.State, d.Reason, d.Message = api.DiskOffered, "", "empty and offered to the leader: bought for expansion "+order.Expansion
			}
		}
	}
}

package mdm

import (
	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/wire"
)

const chunkKB = wire.ChunkBytes >> 10

// capacity of one pool, raw and in KB, as the product counts: what holds no data yet on a lost SDS is unreachable, a chunk with one copy is
// degraded on both sides, one with none failed.
func (o *office) capacity(s *State, p *mgmt.Pool) mgmt.Capacity {
	var c mgmt.Capacity
	used := map[string]int64{}
	for i := range s.Volumes {
		if v := &s.Volumes[i]; v.Pool == p.ID {
			o.countVolume(v, &c, used)
		}
	}
	for _, d := range s.Devices {
		if d.Pool != p.ID {
			continue
		}
		c.MaxKB += d.SizeBytes >> 10
		c.LimitKB += d.LimitBytes >> 10
		if !o.sdss.up(d.SDS, d.ID) {
			c.UnreachableUnusedKB += d.LimitBytes>>10 - used[d.ID]
		}
		if sds := find(s.SDSs, func(x *mgmt.SDS) bool { return x.ID == d.SDS }); sds != nil && sds.Maintenance {
			c.MaintenanceKB += used[d.ID]
		}
	}
	c.SpareKB = c.LimitKB * int64(p.SparePercent) / 100
	c.UnusedKB = max(0, c.LimitKB-c.InUseKB-c.UnreachableUnusedKB)
	c.AvailableKB = s.available(p) >> 10
	c.AllocationLimitKB = s.limit(p, false) >> 10
	c.NetUserKB = c.InUseKB / 2
	c.NetUnusedKB = max(0, (c.LimitKB-c.SpareKB-c.InUseKB)/2)
	return c
}

func (o *office) countVolume(v *Volume, c *mgmt.Capacity, used map[string]int64) {
	c.AddressSpaceKB += v.SizeBytes >> 10
	if v.Thick {
		c.ThickInUseKB += 2 * v.SizeBytes >> 10
		c.InUseKB += 2 * v.SizeBytes >> 10
	}
	for _, chunk := range v.Chunks {
		good := 0
		for _, p := range chunk.Copies {
			used[p.Device] += chunkKB
			if o.good(p) {
				good++
			} else if p.Replaces != "" {
				c.PendingRebalanceKB += chunkKB
			} else if p.Stale && o.sdss.up(p.SDS, p.Device) {
				c.PendingRebuildKB += chunkKB
			}
		}
		if !v.Thick {
			c.ThinInUseKB += 2 * chunkKB
			c.InUseKB += 2 * chunkKB
		}
		switch {
		case good >= 2:
			c.ProtectedKB += 2 * chunkKB
		case good == 1:
			c.DegradedHealthyKB += chunkKB
			c.DegradedFailedKB += chunkKB
		default:
			c.FailedKB += 2 * chunkKB
		}
	}
	if active := o.rebuilding.Load() >> 10; active > 0 && c.PendingRebuildKB >= active {
		c.ActiveRebuildKB, c.PendingRebuildKB = active, c.PendingRebuildKB-active
	}
	if active := o.rebalancing.Load() >> 10; active > 0 && c.PendingRebalanceKB >= active {
		c.ActiveRebalanceKB, c.PendingRebalanceKB = active, c.PendingRebalanceKB-active
	}
}

func addCapacity(a, b mgmt.Capacity) mgmt.Capacity {
	return mgmt.Capacity{MaxKB: a.MaxKB + b.MaxKB, LimitKB: a.LimitKB + b.LimitKB, InUseKB: a.InUseKB + b.InUseKB, ThickInUseKB: a.ThickInUseKB + b.ThickInUseKB,
		ThinInUseKB: a.ThinInUseKB + b.ThinInUseKB, UnusedKB: a.UnusedKB + b.UnusedKB, SpareKB: a.SpareKB + b.SpareKB, ProtectedKB: a.ProtectedKB + b.ProtectedKB,
		DegradedHealthyKB: a.DegradedHealthyKB + b.DegradedHealthyKB, DegradedFailedKB: a.DegradedFailedKB + b.DegradedFailedKB, FailedKB: a.FailedKB + b.FailedKB,
		UnreachableUnusedKB: a.UnreachableUnusedKB + b.UnreachableUnusedKB, MaintenanceKB: a.MaintenanceKB + b.MaintenanceKB, ActiveRebuildKB: a.ActiveRebuildKB + b.ActiveRebuildKB,
		PendingRebuildKB: a.PendingRebuildKB + b.PendingRebuildKB, ActiveRebalanceKB: a.ActiveRebalanceKB + b.ActiveRebalanceKB,
		PendingRebalanceKB: a.PendingRebalanceKB + b.PendingRebalanceKB, AvailableKB: a.AvailableKB + b.AvailableKB, AllocationLimitKB: a.AllocationLimitKB + b.AllocationLimitKB,
		NetUserKB: a.NetUserKB + b.NetUserKB, NetUnusedKB: a.NetUnusedKB + b.NetUnusedKB, AddressSpaceKB: a.AddressSpaceKB + b.AddressSpaceKB}
}

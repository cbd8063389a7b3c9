package decide

import "scaleio-framework/scheduler/api"

// reach is how much of the pool is there, in raw bytes.
type reach struct {
	listed int64 // all of it, but for SDSs whose data is moved away for good
	now    int64 // can be reached
	stays  int64 // as now, and what is away with an SDS in maintenance: that is expected back for as long as the maintenance lasts
}

// reachOf the pool. Whether the product's total drops with a lost SDS isn't documented; its devices stay listed, and what is unused on them may be shown as
// unreachable. So the least of what the total and the devices say is there, and nothing is taken off twice.
func reachOf(v *api.ClusterView) (r reach) {
	var all, lost, maintained int64
	for i := range v.SDSs {
		sds := &v.SDSs[i]
		bytes := poolBytes(sds)
		all += bytes
		if !sds.Removing {
			r.listed += bytes
		}
		if away(sds) {
			lost += bytes
			if sds.InMaint {
				maintained += bytes
			}
		}
	}
	whole := max(all, v.Pool.RawBytes)
	r.now = max(0, min(v.Pool.RawBytes, whole-max(lost, v.Pool.UnreachedBytes)))
	r.stays = r.now + min(maintained, whole-r.now)
	return r
}

// away: the MDM has no connection to it.
func away(sds *api.SDSView) bool { return sds.Connection != "Connected" }

// poolBytes are an SDS's devices in our pool: a person may have given it others.
func poolBytes(sds *api.SDSView) (sum int64) {
	for i := range sds.Devices {
		if !sds.Devices[i].OtherPool {
			sum += sds.Devices[i].SizeBytes
		}
	}
	return sum
}

// inPool sums the devices of each fault unit as the system itself lists them.
func inPool(v *api.ClusterView) map[string]int64 {
	sums := map[string]int64{}
	addUnits(sums, v, true)
	return sums
}

// addUnits sums the devices of each fault unit; lost says whether those of SDSs that are away count.
func addUnits(sums map[string]int64, v *api.ClusterView, lost bool) {
	for i := range v.SDSs {
		sds := &v.SDSs[i]
		bytes := poolBytes(sds)
		if bytes == 0 || !lost && away(sds) && !sds.InMaint {
			continue
		}
		unit := sds.FaultSet
		if unit == "" {
			unit = sds.Name
		}
		sums[unit] += bytes
	}
}

// needed are the bytes of both copies of all data that has one: what has to fit once it is protected again. Whether the product's figure for what is in use counts
// copies that are lost isn't documented.
func needed(p *api.PoolView) int64 {
	return max(p.InUseBytes-p.FailedBytes, p.ProtectedBytes+p.DegradedBytes)
}

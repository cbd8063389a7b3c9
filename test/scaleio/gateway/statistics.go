package gateway

import (
	"encoding/json"
	"slices"

	"scaleio-framework/test/scaleio/mgmt"
)

var idle = object{"numSeconds": 0, "totalWeightInKb": 0, "numOccured": 0}

// statistics of one object. The stand-in measures no traffic, so bandwidths are those of an idle system.
func statistics(v mgmt.View, kind, id string) (object, error) {
	switch kind {
	case "System":
		o := capacityObject(v.Capacity)
		o["numOfSds"], o["numOfSdc"], o["numOfDevices"], o["numOfVolumes"] = len(v.SDSs), len(v.SDCs), len(v.Devices), len(v.Volumes)
		o["numOfProtectionDomains"], o["numOfStoragePools"] = len(v.Domains), len(v.Pools)
		return o, nil
	case "ProtectionDomain":
		return domainStatistics(v, id), nil
	case "StoragePool":
		for _, p := range v.Pools {
			if p.ID == id {
				o := capacityObject(p.Capacity)
				o["numOfDevices"] = count(v.Devices, func(d mgmt.Device) bool { return d.Pool == id })
				o["numOfVolumes"] = count(v.Volumes, func(x mgmt.Volume) bool { return x.Pool == id })
				return o, nil
			}
		}
	case "Volume":
		for _, x := range v.Volumes {
			if x.ID == id {
				ids := []string{}
				for _, m := range x.Mappings {
					ids = append(ids, m.SDC)
				}
				return object{"numOfMappedSdcs": len(ids), "mappedSdcIds": ids, "userDataReadBwc": idle, "userDataWriteBwc": idle}, nil
			}
		}
	case "Sdc":
		ids := []string{}
		for _, x := range v.Volumes {
			if slices.ContainsFunc(x.Mappings, func(m mgmt.Mapping) bool { return m.SDC == id }) {
				ids = append(ids, x.ID)
			}
		}
		return object{"numOfMappedVolumes": len(ids), "volumeIds": ids, "userDataReadBwc": idle, "userDataWriteBwc": idle}, nil
	case "Device":
		for _, d := range v.Devices {
			if d.ID == id {
				return object{"maxCapacityInKb": d.SizeBytes >> 10, "capacityLimitInKb": d.LimitBytes >> 10, "capacityInUseInKb": d.UsedBytes >> 10,
					"unusedCapacityInKb": (d.LimitBytes - d.UsedBytes) >> 10}, nil
			}
		}
	}
	return object{}, nil
}

func count[T any](list []T, match func(T) bool) (n int) {
	for _, x := range list {
		if match(x) {
			n++
		}
	}
	return n
}

func domainStatistics(v mgmt.View, id string) object {
	sums := object{}
	for _, p := range v.Pools {
		if p.Domain != id {
			continue
		}
		for key, value := range capacityObject(p.Capacity) {
			if kb, ok := value.(int64); ok {
				before, _ := sums[key].(int64)
				sums[key] = before + kb
			}
		}
	}
	sums["numOfSds"] = count(v.SDSs, func(x mgmt.SDS) bool { return x.Domain == id })
	sums["numOfStoragePools"] = count(v.Pools, func(p mgmt.Pool) bool { return p.Domain == id })
	return sums
}

func capacityObject(c mgmt.Capacity) object {
	zero := int64(0)
	return object{"maxCapacityInKb": c.MaxKB, "capacityLimitInKb": c.LimitKB, "capacityInUseInKb": c.InUseKB, "unusedCapacityInKb": c.UnusedKB, "spareCapacityInKb": c.SpareKB,
		"capacityAvailableForVolumeAllocationInKb": c.AvailableKB, "volumeAllocationLimitInKb": c.AllocationLimitKB, "thickCapacityInUseInKb": c.ThickInUseKB,
		"thinCapacityInUseInKb": c.ThinInUseKB, "snapCapacityInUseInKb": zero, "protectedCapacityInKb": c.ProtectedKB, "degradedHealthyCapacityInKb": c.DegradedHealthyKB,
		"degradedFailedCapacityInKb": c.DegradedFailedKB, "failedCapacityInKb": c.FailedKB, "semiProtectedCapacityInKb": zero,
		"unreachableUnusedCapacityInKb": c.UnreachableUnusedKB, "inMaintenanceCapacityInKb": c.MaintenanceKB, "atRestCapacityInKb": c.InUseKB, "movingCapacityInKb": zero,
		"activeMovingCapacityInKb": zero, "pendingMovingCapacityInKb": zero, "activeFwdRebuildCapacityInKb": zero, "pendingFwdRebuildCapacityInKb": zero,
		"fwdRebuildCapacityInKb": zero, "activeBckRebuildCapacityInKb": c.ActiveRebuildKB, "pendingBckRebuildCapacityInKb": c.PendingRebuildKB,
		"bckRebuildCapacityInKb": c.ActiveRebuildKB + c.PendingRebuildKB, "activeRebalanceCapacityInKb": c.ActiveRebalanceKB,
		"pendingRebalanceCapacityInKb": c.PendingRebalanceKB, "rebalanceCapacityInKb": c.ActiveRebalanceKB + c.PendingRebalanceKB,
		"netUserDataCapacityInKb": c.NetUserKB, "netUnusedCapacityInKb": c.NetUnusedKB, "volumeAddressSpaceInKb": c.AddressSpaceKB,
		"totalReadBwc": idle, "totalWriteBwc": idle, "primaryReadBwc": idle, "primaryWriteBwc": idle, "secondaryReadBwc": idle, "secondaryWriteBwc": idle,
		"fwdRebuildReadBwc": idle, "fwdRebuildWriteBwc": idle, "bckRebuildReadBwc": idle, "bckRebuildWriteBwc": idle, "rebalanceReadBwc": idle, "rebalanceWriteBwc": idle}
}

// selectedStatistics: chosen properties of chosen objects, or of all of a type.
func (s *Server) selectedStatistics(r *request) (any, error) {
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	kind := r.PathValue("type")
	var properties []string
	if json.Unmarshal(r.body["properties"], &properties) != nil || len(properties) == 0 {
		return nil, missing("properties")
	}
	ids := r.body.list("ids")
	if r.body.has("allIds") {
		objects, err := all(v, kind)
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			id, _ := o["id"].(string)
			ids = append(ids, id)
		}
	}
	result := object{}
	for _, id := range ids {
		if _, err := one(v, kind, id); err != nil {
			return nil, err
		}
		values, err := s.statistics(v, kind, id)
		if err != nil {
			return nil, err
		}
		chosen := object{}
		for _, p := range properties {
			if value, ok := values[p]; ok {
				chosen[p] = value
			}
		}
		if kind == "System" {
			return chosen, nil
		}
		result[id] = chosen
	}
	return result, nil
}

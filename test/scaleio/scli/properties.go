package scli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"scaleio-framework/test/scaleio/mgmt"
)

func decimal(n int) string { return strconv.Itoa(n) }

// An object of query_properties: its values in the order in which ALL shows them.
type object struct {
	id     string
	values [][2]string
}

const (
	notSet          = "<Not Set>"
	certificateTime = "Jan _2 15:04:05 2006 GMT"
)

func yes(on bool) string {
	if on {
		return "Yes"
	}
	return "No"
}

func (r *run) queryProperties() error {
	list, known := objectTypes[r.get("object_type")]
	if !known || r.has("all_objects") == r.has("object_id") || r.has("properties") == r.has("preset") || r.has("preset") && r.get("preset") != "ALL" {
		return usageError{r.command.name}
	}
	v, err := r.view()
	if err != nil {
		return err
	}
	first := true
	for _, o := range list(v) {
		if id := r.get("object_id"); id != "" && id != o.id {
			continue
		}
		if !first {
			r.print("")
		}
		first = false
		r.print("%s %s:", r.get("object_type"), o.id)
		if err := r.printProperties(o); err != nil {
			return err
		}
	}
	if first {
		r.print("No objects returned")
	}
	return nil
}

func (r *run) printProperties(o object) error {
	line := func(kv [2]string) { r.print("\t%-51s%s", kv[0], kv[1]) }
	if r.has("preset") {
		for _, kv := range o.values {
			line(kv)
		}
		return nil
	}
	for _, name := range r.list("properties") {
		i := slices.IndexFunc(o.values, func(kv [2]string) bool { return kv[0] == name })
		if i < 0 {
			return usageError{r.command.name}
		}
		line(o.values[i])
	}
	return nil
}

var objectTypes = map[string]func(mgmt.View) []object{
	"MDM": mdmObjects, "SDS": sdsObjects, "DEVICE": deviceObjects, "STORAGE_POOL": poolObjects, "PROTECTION_DOMAIN": domainObjects,
	"FAULT_SET": faultSetObjects, "SDC": sdcObjects, "VOLUME": volumeObjects, "SYSTEM": systemObjects,
	"RFCACHE_DEVICE": func(mgmt.View) []object { return nil },
}

func mdmObjects(v mgmt.View) []object {
	var list []object
	for _, m := range v.Cluster.Members {
		role, actor, expiry, thumbprint := "MDM_ROLE_TIE_BREAKER", notSet, notSet, notSet
		if m.Manager {
			role, actor = "MDM_ROLE_MANAGER", m.ID
		}
		if c := m.Certificate; c != nil {
			expiry, thumbprint = c.Expiry.UTC().Format(certificateTime), c.Thumbprint
		}
		management := m.ManagementIPs
		if len(management) == 0 {
			management = m.IPs
		}
		status := map[string]string{"Normal": "MDM_STATUS_NORMAL", "Not synchronized": "MDM_STATUS_NOT_SYNCHRONIZED"}[m.Status]
		if status == "" {
			status = "MDM_STATUS_DISCONNECTED"
		}
		list = append(list, object{m.ID, [][2]string{{"ID", m.ID}, {"NAME", named(m.Name)}, {"IPS", strings.Join(m.IPs, ",")}, {"CLUSTER_PORT", decimal(m.Port)},
			{"MGMT_IPS", strings.Join(management, ",")}, {"SOFTWARE_VERSION_INFO", "Version: " + mgmt.Version}, {"CERTIFICATE_EXPIRY", expiry}, {"ROLE", role},
			{"IS_MASTER", yes(m.Kind == mgmt.Master)}, {"IS_STANDBY", yes(m.Kind == mgmt.Standby)}, {"STATUS", status},
			{"ACTOR_ID", actor}, {"VOTER_ID", m.ID}, {"CERTIFICATE_THUMBPRINT", thumbprint}}})
	}
	return list
}

func sdsObjects(v mgmt.View) []object {
	var list []object
	for _, x := range v.SDSs {
		var ips, devices []string
		for _, ip := range x.IPs {
			ips = append(ips, ip.IP)
		}
		for _, d := range v.Devices {
			if d.SDS == x.ID {
				devices = append(devices, d.ID)
			}
		}
		set := x.FaultSet
		if set == "" {
			set = "0000000000000000"
		}
		state := map[bool]string{true: "REMOVE_STATE_PENDING", false: "REMOVE_STATE_NORMAL"}[x.Removing]
		link := map[bool]string{true: "MDM_CONNECTED", false: "MDM_DISCONNECTED"}[x.Connected]
		maintenance := map[bool]string{true: "IN_MAINTENANCE", false: "NO_MAINTENANCE"}[x.Maintenance]
		list = append(list, object{x.ID, [][2]string{{"ID", x.ID}, {"NAME", named(x.Name)}, {"IPS", strings.Join(ips, ",")}, {"DEVICE_ID_LIST", strings.Join(devices, ",")},
			{"PORT", decimal(x.Port)}, {"FAULT_SET_ID", set}, {"PROTECTION_DOMAIN_ID", x.Domain}, {"RMCACHE_ENABLED", yes(x.RMCache)}, {"RMCACHE_SIZE", size(int64(x.RMCacheKB))},
			{"STATE", state}, {"MEMBERSHIP_STATE", "JOINED"}, {"MDM_CONNECTION_STATE", link}, {"MAINTENANCE_MODE_STATE", maintenance},
			{"SOFTWARE_VERSION_INFO", "Version: " + mgmt.Version}}})
	}
	return list
}

func deviceObjects(v mgmt.View) []object {
	var list []object
	for _, d := range v.Devices {
		state, failed := "DEVICE_NORMAL", "NO_ERROR"
		if d.Removing {
			state = "DEVICE_REMOVE_PENDING"
		}
		if d.Error != "" {
			failed = "ERROR"
		}
		list = append(list, object{d.ID, [][2]string{{"ID", d.ID}, {"NAME", named(d.Name)}, {"ORIGINAL_PATH", d.OriginalPath}, {"CURRENT_PATH", d.CurrentPath},
			{"STORAGE_POOL_ID", d.Pool}, {"SDS_ID", d.SDS}, {"STATE", state}, {"ERR_STATE", failed},
			{"MAX_CAPACITY_IN_KB", size(d.SizeBytes >> 10)}, {"CAPACITY_LIMIT_IN_KB", size(d.LimitBytes >> 10)}}})
	}
	return list
}

var scannerModes = map[string]string{"Disabled": "DISABLED", "DeviceOnly": "DEVICE_ONLY", "DataComparison": "DATA_COMPARISON"}

// Sizes print for people in spite of the keys' names, as with the product.
func poolObjects(v mgmt.View) []object {
	var list []object
	for _, p := range v.Pools {
		c := p.Capacity
		list = append(list, object{p.ID, [][2]string{{"ID", p.ID}, {"NAME", p.Name}, {"PROTECTION_DOMAIN_ID", p.Domain}, {"SPARE_PERCENT", fmt.Sprintf("%d%%", p.SparePercent)},
			{"ZERO_PADDING_ENABLED", yes(p.ZeroPadding)}, {"USE_RMCACHE", yes(p.RMCache)}, {"USE_RFCACHE", yes(p.RFCache)}, {"CHECKSUM_ENABLED", yes(p.Checksum)},
			{"MEDIA_TYPE", p.MediaType}, {"DI_SCANNER_MODE", scannerModes[p.Scanner]}, {"REBUILD_ENABLED", yes(p.Rebuild)}, {"REBALANCE_ENABLED", yes(p.Rebalance)},
			{"MAX_CAPACITY_IN_KB", size(c.MaxKB)}, {"UNUSED_CAPACITY_IN_KB", size(c.UnusedKB)}, {"CAPACITY_IN_USE_IN_KB", size(c.InUseKB)}, {"SPARE_CAPACITY_IN_KB", size(c.SpareKB)},
			{"DEGRADED_HEALTHY_CAPACITY_IN_KB", size(c.DegradedHealthyKB)}, {"DEGRADED_FAILED_CAPACITY_IN_KB", size(c.DegradedFailedKB)}, {"FAILED_CAPACITY_IN_KB", size(c.FailedKB)},
			{"NUM_OF_VOLUMES", decimal(volumesIn(v, p.ID))}}})
	}
	return list
}

func domainObjects(v mgmt.View) []object {
	var list []object
	for _, d := range v.Domains {
		list = append(list, object{d.ID, [][2]string{{"ID", d.ID}, {"NAME", d.Name}, {"STATE", "PROTECTION_DOMAIN_ACTIVE"}}})
	}
	return list
}

func faultSetObjects(v mgmt.View) []object {
	var list []object
	for _, f := range v.FaultSets {
		list = append(list, object{f.ID, [][2]string{{"ID", f.ID}, {"NAME", f.Name}, {"PROTECTION_DOMAIN_ID", f.Domain}}})
	}
	return list
}

func sdcObjects(v mgmt.View) []object {
	var list []object
	for _, c := range v.SDCs {
		list = append(list, object{c.ID, [][2]string{{"ID", c.ID}, {"NAME", named(c.Name)}, {"IP", c.IP}, {"APPROVED", yes(c.Approved)}, {"GUID", c.GUID},
			{"MDM_CONNECTION_STATE", map[bool]string{true: "MDM_CONNECTED", false: "MDM_DISCONNECTED"}[c.Connected]}, {"SOFTWARE_VERSION_INFO", "Version: " + c.Build}}})
	}
	return list
}

func volumeObjects(v mgmt.View) []object {
	var list []object
	for _, x := range v.Volumes {
		list = append(list, object{x.ID, [][2]string{{"ID", x.ID}, {"NAME", named(x.Name)}, {"STORAGE_POOL_ID", x.Pool}, {"SIZE", size(x.SizeBytes >> 10)},
			{"TYPE", map[bool]string{true: "THICK_PROVISIONED", false: "THIN_PROVISIONED"}[x.Thick]}, {"NUM_OF_MAPPED_SDCS", decimal(len(x.Mappings))}}})
	}
	return list
}

func systemObjects(v mgmt.View) []object {
	return []object{{v.System.ID, [][2]string{{"ID", v.System.ID}, {"NAME", named(v.System.Name)}, {"VERSION_NAME", "EMC ScaleIO Version: " + mgmt.VersionName},
		{"CAPACITY_ALERT_HIGH_THRESHOLD", fmt.Sprintf("%d%%", v.System.HighPercent)}, {"CAPACITY_ALERT_CRITICAL_THRESHOLD", fmt.Sprintf("%d%%", v.System.CriticalPercent)}}}}
}

package scli

import (
	"fmt"
	"time"

	"scaleio-framework/test/scaleio/mgmt"
)

// size prints KB as the product does: a rounded figure and, in brackets, the exact one a unit below.
func size(kb int64) string {
	units := []string{"KB", "MB", "GB", "TB", "PB"}
	if kb == 0 {
		return "0 Bytes"
	}
	value, below, unit := float64(kb), kb*1024, 0
	for value >= 1024 && unit < len(units)-1 {
		below = int64(value)
		value /= 1024
		unit++
	}
	name := "Bytes"
	if unit > 0 {
		name = units[unit-1]
	}
	return fmt.Sprintf("%.1f %s (%d %s)", value, units[unit], below, name)
}

// short is a size without brackets, as device lines have it.
func short(bytes int64) string {
	gb := bytes >> 30
	if gb >= 1024 {
		return fmt.Sprintf("%.1f TB", float64(gb)/1024)
	}
	return fmt.Sprintf("%d GB", gb)
}

func enabled(on bool) string {
	if on {
		return "enabled"
	}
	return "disabled"
}

func (r *run) queryAll() error {
	v, err := r.view()
	if err != nil {
		return err
	}
	r.print("System Info:\n\tProduct:  EMC ScaleIO Version: %s", mgmt.VersionName)
	if v.System.Name != "" {
		r.print("\tName:  %s", v.System.Name)
	}
	r.print("\tID:      %s\n\tManager ID:      0000000000000000\n", v.System.ID)
	r.print("License info:\n\tInstallation ID: %s\n\tSWID:\n\tMaximum capacity: Unlimited", v.System.InstallationID)
	r.print("\tUsage time left: Unlimited *** Non-Production License ***\n\tEnterprise features: Enabled")
	r.print("\tThe system was activated %d days ago\n", int(time.Since(v.System.Created).Hours()/24))
	r.print("System settings:\n\tCapacity alert thresholds: High: %d, Critical: %d\n\tThick volume reservation percent: 0", v.System.HighPercent, v.System.CriticalPercent)
	r.print("\tMDM restricted SDC mode: %s\n\tManagement Clients secure communication: enabled\n\tTLS version: TLSv1.2", enabled(v.System.RestrictedSDC != "None"))
	r.print("\tUser authentication method: Native\n\tSDS connection authentication: Enabled\n")
	plural := "s"
	if len(v.Domains) == 1 {
		plural = ""
	}
	r.print("Query all returned %d Protection Domain%s:", len(v.Domains), plural)
	for _, d := range v.Domains {
		r.printDomain(v, d)
	}
	r.print("")
	r.printSummary(v)
	return nil
}

func (r *run) printDomain(v mgmt.View, d mgmt.Domain) {
	pools, volumes, sets, sdss := 0, 0, 0, 0
	var available int64
	for _, p := range v.Pools {
		if p.Domain == d.ID {
			pools++
			volumes += volumesIn(v, p.ID)
			available += p.Capacity.AvailableKB
		}
	}
	for _, f := range v.FaultSets {
		if f.Domain == d.ID {
			sets++
		}
	}
	for _, x := range v.SDSs {
		if x.Domain == d.ID {
			sdss++
		}
	}
	r.print("Protection Domain %s (Id: %s) has %d storage pools, %d Fault Sets, %d SDS nodes, %d volumes and %s available for volume allocation",
		d.Name, d.ID, pools, sets, sdss, volumes, size(available))
	r.print("Operational state is Active\n")
	for _, p := range v.Pools {
		if p.Domain == d.ID {
			r.printPool(v, p)
		}
	}
}

func volumesIn(v mgmt.View, pool string) (n int) {
	for _, volume := range v.Volumes {
		if volume.Pool == pool {
			n++
		}
	}
	return n
}

func (r *run) printPool(v mgmt.View, p mgmt.Pool) {
	r.print("Storage Pool %s (Id: %s) has %d volumes and %s available for volume allocation", p.Name, p.ID, volumesIn(v, p.ID), size(p.Capacity.AvailableKB))
	r.print("\tThe number of parallel rebuild/rebalance jobs: %d", p.ParallelJobs)
	r.print("\tRebuild is %s and using Limit-Concurrent-IO policy with the following parameters:\n\tNumber of concurrent IOs per device: 1", enabled(p.Rebuild))
	r.print("\tRebalance is %s and using Favor-Application-IO policy with the following parameters:\n\tNumber of concurrent IOs per device: 1, Bandwidth limit per device: 10240 KB per second", enabled(p.Rebalance))
	r.print("\tBackground device scanner: %s", p.Scanner)
	r.print("\tMedia type: %s", p.MediaType)
	r.print("\tZero padding is %s", enabled(p.ZeroPadding))
	r.print("\tSpare policy: %d%% out of total", p.SparePercent)
	r.print("\tChecksum mode: %s", enabled(p.Checksum))
	uses := map[bool]string{true: "Uses", false: "Doesn't use"}
	r.print("\t%s RAM Read Cache\n\tRAM Read Cache write handling mode is '%s'\n\t%s Flash Read Cache", uses[p.RMCache], map[string]string{"Cached": "cached", "Passthrough": "passthrough"}[p.RMCacheWrite], uses[p.RFCache])
	r.print("\tCapacity alert thresholds: High: %d, Critical: %d\n", p.HighPercent, p.CriticalPercent)
}

func (r *run) printSummary(v mgmt.View) {
	connected := 0
	for _, x := range v.SDSs {
		if x.Connected {
			connected++
		}
	}
	total := len(v.SDSs)
	r.print("SDS Summary:\n\tTotal %d SDS Nodes\n\t%d SDS nodes have membership state 'Joined'\n\t%d SDS nodes have connection state 'Connected'", total, total, connected)
	if connected < total {
		r.print("\t%d SDS nodes have connection state 'Disconnected'", total-connected)
	}
	r.printCapacity(v.Capacity)
	r.print("")
	for _, name := range []string{"Primary-reads", "Primary-writes", "Secondary-reads", "Secondary-writes", "Backward-rebuild-reads", "Backward-rebuild-writes",
		"Forward-rebuild-reads", "Forward-rebuild-writes", "Rebalance-reads", "Rebalance-writes"} {
		r.print("\t%-40s 0 IOPS 0 Bytes per-second", name)
	}
	r.print("\nVolumes summary:")
	r.printVolumeSums(v.Volumes)
}

func (r *run) printCapacity(c mgmt.Capacity) {
	for _, line := range []struct {
		label string
		kb    int64
	}{
		{"total", c.MaxKB}, {"unused", c.UnusedKB}, {"snapshots", 0}, {"in-use", c.InUseKB}, {"thin", c.ThinInUseKB}, {"protected", c.ProtectedKB},
		{"failed", c.FailedKB}, {"degraded-failed", c.DegradedFailedKB}, {"degraded-healthy", c.DegradedHealthyKB}, {"unreachable-unused", c.UnreachableUnusedKB},
		{"active rebalance", c.ActiveRebalanceKB}, {"pending rebalance", c.PendingRebalanceKB}, {"active forward-rebuild", 0}, {"pending forward-rebuild", 0},
		{"active backward-rebuild", c.ActiveRebuildKB}, {"pending backward-rebuild", c.PendingRebuildKB}, {"rebalance", c.ActiveRebalanceKB + c.PendingRebalanceKB},
		{"forward-rebuild", 0}, {"backward-rebuild", c.ActiveRebuildKB + c.PendingRebuildKB}, {"active moving", 0}, {"pending moving", 0}, {"total moving", 0},
		{"spare", c.SpareKB}, {"at-rest", c.InUseKB}, {"semi-protected", 0}, {"in-maintenance", c.MaintenanceKB}, {"decreased", 0},
	} {
		r.print("\t%s %s capacity", size(line.kb), line.label)
	}
}

func (r *run) printVolumeSums(volumes []mgmt.Volume) {
	var thick, thin int
	var thickKB, usedKB int64
	for _, v := range volumes {
		if v.Thick {
			thick++
			thickKB += v.SizeBytes >> 10
		} else {
			thin++
			usedKB += v.UsedBytes >> 10
		}
	}
	plural := func(n int) string {
		if n == 1 {
			return ""
		}
		return "s"
	}
	if thick > 0 {
		r.print("\t%d thick-provisioned volume%s. Total size: %s", thick, plural(thick), size(thickKB))
	}
	if thin > 0 {
		r.print("\t%d thin-provisioned volume%s. Total used size: %s", thin, plural(thin), size(usedKB))
	}
	if len(volumes) == 0 {
		r.print("\tNo volumes defined")
	}
}

func (r *run) queryDomain() error {
	v, err := r.view()
	if err != nil {
		return err
	}
	for _, d := range v.Domains {
		if ref := r.ref("protection_domain"); ref.ID == d.ID || ref.Name == d.Name {
			r.printDomain(v, d)
			return nil
		}
	}
	return mgmt.NoDomain
}

func (r *run) queryPool() error {
	v, err := r.view()
	if err != nil {
		return err
	}
	ref := r.poolRef()
	for _, p := range v.Pools {
		if (ref.ID == p.ID || ref.Name == p.Name) && (ref.Domain == nil || r.inDomain(v, p.Domain, *ref.Domain)) {
			r.printPool(v, p)
			r.printCapacity(p.Capacity)
			return nil
		}
	}
	return mgmt.NoPool
}

func (r *run) inDomain(v mgmt.View, id string, ref mgmt.Ref) bool {
	for _, d := range v.Domains {
		if d.ID == id {
			return ref.ID == d.ID || ref.Name == d.Name
		}
	}
	return false
}

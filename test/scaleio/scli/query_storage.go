package scli

import (
	"strings"

	"scaleio-framework/test/scaleio/mgmt"
)

func named(name string) string {
	if name == "" {
		return "N/A"
	}
	return name
}

func connection(connected bool) string {
	if connected {
		return "Connected"
	}
	return "Disconnected"
}

func (r *run) queryAllSDS() error {
	v, err := r.view()
	if err != nil {
		return err
	}
	r.print("Query-all-SDS returned %d SDS nodes.", len(v.SDSs))
	for _, d := range v.Domains {
		head := "\nProtection Domain " + d.ID + " Name: " + d.Name
		for _, x := range v.SDSs {
			if x.Domain != d.ID {
				continue
			}
			if head != "" {
				r.print("%s", head)
				head = ""
			}
			var ips []string
			for _, ip := range x.IPs {
				ips = append(ips, ip.IP)
			}
			r.print("SDS ID: %s Name: %s State: %s, %s IP: %s Port: %d Version: %s", x.ID, named(x.Name), connection(x.Connected), membership(x),
				strings.Join(ips, ", "), x.Port, mgmt.Version)
		}
	}
	return nil
}

func membership(x mgmt.SDS) string {
	if x.Removing {
		return "Decoupled"
	}
	return "Joined"
}

var roleWords = map[string]string{"all": "All (SDS and SDC)", "sdsOnly": "SDS Only", "sdcOnly": "SDC Only"}

func (r *run) querySDS() error {
	v, err := r.view()
	if err != nil {
		return err
	}
	ref := r.ref("sds")
	for _, x := range v.SDSs {
		match := ref.ID == x.ID || ref.Name != "" && ref.Name == x.Name
		for _, ip := range x.IPs {
			match = match || ref.IP != "" && ip.IP == ref.IP
		}
		if match {
			r.printSDS(v, x)
			return nil
		}
	}
	return mgmt.NoSDS
}

func (r *run) printSDS(v mgmt.View, x mgmt.SDS) {
	r.print("SDS %s Name: %s Version: %s", x.ID, named(x.Name), mgmt.Version)
	for _, d := range v.Domains {
		if d.ID == x.Domain {
			r.print("Protection Domain: %s, Name: %s", d.ID, d.Name)
		}
	}
	for _, f := range v.FaultSets {
		if f.ID == x.FaultSet {
			r.print("Fault Set: %s, Name: %s", f.ID, f.Name)
		}
	}
	r.print("DRL mode: Volatile\nAuthentication error: None\nIP information (total %d IPs):", len(x.IPs))
	for i, ip := range x.IPs {
		r.print("\t %d: %s     Role: %s", i+1, ip.IP, roleWords[ip.Role])
	}
	r.print("\tPort: %d", x.Port)
	r.print("RAM Read Cache information:\n\t%s total size\n\tCache is %s", size(int64(x.RMCacheKB)), enabled(x.RMCache))
	var devices []mgmt.Device
	pools := map[string]string{}
	failed := 0
	for _, p := range v.Pools {
		pools[p.ID] = p.Name
	}
	for _, d := range v.Devices {
		if d.SDS == x.ID {
			devices = append(devices, d)
			if d.Error != "" {
				failed++
			}
		}
	}
	r.print("Device information (total %d devices):", len(devices))
	for i, d := range devices {
		state := "Normal"
		switch {
		case d.Removing:
			state = "Remove pending"
		case d.Error != "":
			state = "Error"
		}
		r.print("\t %d: Name: %s  Path: %s  Original-path: %s  ID: %s", i+1, named(d.Name), d.CurrentPath, d.OriginalPath, d.ID)
		r.print("\t\tStorage Pool: %s, Capacity: %s Error-fixes: 0 scanned 0 MB, Compare errors: 0 State: %s", pools[d.Pool], short(d.LimitBytes), state)
	}
	state := "Normal"
	if x.Removing {
		state = "Remove pending"
	} else if x.Maintenance {
		state = "Maintenance"
	}
	r.print("Membership-state: %s; Connection-state: %s; SDS-state: %s; %d devices with error; 0 Rfcache devices with errors", membership(x), connection(x.Connected), state, failed)
}

func (r *run) queryAllSDC() error {
	v, err := r.view()
	if err != nil {
		return err
	}
	restricted := v.System.RestrictedSDC != "None"
	// With a capital, other than in query_all, as with the product.
	mode := map[bool]string{true: "Enabled", false: "Disabled"}[restricted]
	r.print("MDM restricted SDC mode: %s\nQuery all SDC returned %d SDC nodes.", mode, len(v.SDCs))
	for _, c := range v.SDCs {
		r.printSDC(c, restricted)
	}
	return nil
}

// printSDC shows the approval in restricted mode only: elsewhere every client is approved.
func (r *run) printSDC(c mgmt.SDC, restricted bool) {
	approved := ""
	if restricted {
		approved = " Approved: " + map[bool]string{true: "yes", false: "no"}[c.Approved]
	}
	r.print("SDC ID: %s Name: %s IP: %s State: %s GUID: %s OS Type: LINUX%s Loaded Version: %s Installed Version: %s", c.ID, named(c.Name), named(c.IP),
		connection(c.Connected), strings.ToUpper(c.GUID), approved, named(c.Build), named(c.Build))
	r.print("\tRead bandwidth:  0 IOPS 0 Bytes per-second\n\tWrite bandwidth:  0 IOPS 0 Bytes per-second")
}

func (r *run) querySDC() error {
	v, err := r.view()
	if err != nil {
		return err
	}
	ref := r.ref("sdc")
	for _, c := range v.SDCs {
		if ref.ID == c.ID || ref.Name != "" && ref.Name == c.Name || ref.IP != "" && ref.IP == c.IP || ref.GUID != "" && strings.EqualFold(ref.GUID, c.GUID) {
			r.printSDC(c, v.System.RestrictedSDC != "None")
			return nil
		}
	}
	return mgmt.NoSDC
}

func (r *run) queryAllVolumes() error {
	v, err := r.view()
	if err != nil {
		return err
	}
	r.print("Query-all-volumes returned %d volumes", len(v.Volumes))
	for _, d := range v.Domains {
		r.print("Protection Domain %s Name: %s", d.ID, d.Name)
		for _, p := range v.Pools {
			if p.Domain == d.ID {
				r.printVolumes(v, p)
			}
		}
	}
	return nil
}

func (r *run) printVolumes(v mgmt.View, p mgmt.Pool) {
	r.print("Storage Pool %s Name: %s", p.ID, p.Name)
	some := false
	for _, volume := range v.Volumes {
		if volume.Pool != p.ID {
			continue
		}
		some = true
		// The blank before "Unmapped" is missing in the product too.
		mapped := "Unmapped "
		if n := len(volume.Mappings); n > 0 {
			mapped = " Mapped to " + decimal(n) + " SDC "
		}
		r.print(" Volume ID: %s Name: %s Size: %s%s%s", volume.ID, named(volume.Name), size(volume.SizeBytes>>10), mapped, provisioned(volume))
	}
	if !some {
		r.print(" <No volumes defined>")
	}
}

func provisioned(v mgmt.Volume) string {
	if v.Thick {
		return "Thick-provisioned"
	}
	return "Thin-provisioned"
}

func (r *run) queryVolume() error {
	v, err := r.view()
	if err != nil {
		return err
	}
	ref := r.ref("volume")
	for _, volume := range v.Volumes {
		if ref.ID != volume.ID && (ref.Name == "" || ref.Name != volume.Name) {
			continue
		}
		r.print(">> Volume ID: %s Name: %s", volume.ID, named(volume.Name))
		r.print("   Provisioning: %s", strings.TrimSuffix(provisioned(volume), "-provisioned"))
		r.print("   Size: %s", size(volume.SizeBytes>>10))
		r.print("   Creation time: %s", volume.Created.UTC().Format("2006-01-02 15:04:05"))
		if len(volume.Mappings) == 0 {
			r.print("   Volume is not mapped")
			return nil
		}
		r.print("   Mapped SDCs:")
		for _, m := range volume.Mappings {
			for _, c := range v.SDCs {
				if c.ID == m.SDC {
					r.print("      SDC ID: %s IP: %s Name: %s", c.ID, named(c.IP), named(c.Name))
				}
			}
		}
		return nil
	}
	return mgmt.NoVolume
}

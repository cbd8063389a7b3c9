package scheduler

import (
	"encoding/json"
	"net/netip"
	"path"
	"strings"

	"scaleio-framework/scheduler/api"
)

// Bounds of what a node says that goes into records besides its report. A record that outgrows store.MaxRecord ends the scheduler: no node may
// bring that about.
const (
	maxHostname    = 255
	maxWitness     = 64
	maxAddresses   = 32
	maxCertificate = 12 << 10 // of two gateways and three MDMs it goes into the cluster's record
	maxDiskID      = 512      // of at most 64 claims of a node
	maxDiskLink    = 512
	maxApproved    = 50_000 // of all that was ever approved of a node
	maxVolumeID    = 32     // of each order of an expansion
	maxOrderDisk   = 128
	maxOrderStates = 256
)

func checkIdentity(id api.Identity) error {
	if encoded(id.Hostname) > maxHostname || encoded(id.AgentUUID) > maxWitness || encoded(id.SDSID) > maxWitness {
		return api.Errorf(api.CodeInvalid, "host name, agent UUID or SDS id is too long")
	}
	return nil
}

func checkReport(r *api.Report) error {
	if err := checkIdentity(r.Node); err != nil {
		return err
	}
	if len(r.Addresses) > maxAddresses || encoded(r.Version.Cluster) > maxWitness {
		return api.Errorf(api.CodeInvalid, "too many addresses, or no UUID of a cluster")
	}
	for _, a := range r.Addresses {
		if ip, err := netip.ParseAddr(a); err != nil || ip.Zone() != "" {
			return api.Errorf(api.CodeInvalid, "%.100q is no address", a)
		}
	}
	for _, d := range r.Disks {
		if encoded(d.ID) > maxDiskID {
			return api.Errorf(api.CodeInvalid, "the identity of disk %.100q is too long", d.Path)
		}
		if d.Link != "" && (len(d.Link) > maxDiskLink || path.Clean(d.Link) != d.Link || path.Dir(d.Link) != "/dev/disk/by-id") {
			return api.Errorf(api.CodeInvalid, "%.100q is no link of udev to disk %.100q", d.Link, d.Path)
		}
	}
	if len(r.Orders) > maxOrderStates {
		return api.Errorf(api.CodeInvalid, "more than %d orders", maxOrderStates)
	}
	for _, o := range r.Orders {
		if encoded(o.VolumeID) > maxVolumeID || encoded(o.Disk) > maxOrderDisk || encoded(string(o.Stage)) > maxVolumeID {
			return api.Errorf(api.CodeInvalid, "volume, disk or stage of an order is too long")
		}
	}
	if m := r.MDM; m != nil && (encoded(m.CertificatePEM) > maxCertificate || encoded(m.SystemID) > maxWitness) {
		return api.Errorf(api.CodeInvalid, "the MDM's certificate or system id is too long")
	}
	if g := r.Gateway; g != nil && (encoded(g.CertificatePEM) > maxCertificate || encoded(g.Address) > maxHostname || encoded(g.Node) > maxHostname) {
		return api.Errorf(api.CodeInvalid, "the gateway's certificate or address is too long")
	}
	return nil
}

// encoded length of a text in a record: JSON may need six bytes for one.
func encoded(s string) int {
	raw, err := json.Marshal(s)
	if err != nil { // a string: can't be
		return len(s)
	}
	return len(raw) - len(`""`)
}

// fit cuts a text so that a record takes at most so many bytes for it.
func fit(s string, most int) string {
	s = strings.ToValidUTF8(s, "?")
	if encoded(s) <= most {
		return s
	}
	s = s[:min(len(s), most)]
	for encoded(s) > most-len("...") {
		s = s[:len(s)-1-len(s)/16]
	}
	return strings.ToValidUTF8(s, "") + "..."
}

package scheduler

import (
	"encoding/json"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"

	"scaleio-framework/scheduler/api"
)

// Bounds of what a node says that goes into records besides its report. A record that outgrows store.MaxRecord ends the scheduler: no node may
// bring that about.
const (
	maxHostname    = 255
	maxWitness     = 64
	maxAddresses   = 32
	maxTrusts      = 4
	maxCertificate = 12 << 10 // of two gateways and three MDMs it goes into the cluster's record
	maxDiskID      = 512      // of at most 64 claims of a node
	maxDiskLink    = 512
	maxApproved    = 50_000 // of all that was ever approved of a node
	maxVolumeID    = 32     // of each order of an expansion
	maxOrderDisk   = 128
	maxOrderStates = 256

	maxSlots        = 1000
	maxNotices      = 32
	maxTag          = 128
	maxVolumeNumber = 1 << 20 // GiB, IOPS or MiB/s: what is out of bounds would spoil the budget
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
	if len(r.Trusts) > maxTrusts || slices.ContainsFunc(r.Trusts, func(t string) bool { return encoded(t) > maxWitness }) {
		return api.Errorf(api.CodeInvalid, "more CAs are trusted than there can be, or one is no fingerprint")
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
		if o.VolumeID != "" && !volumeForm.MatchString(o.VolumeID) {
			return api.Errorf(api.CodeInvalid, "%.100q of an order is no volume", o.VolumeID)
		}
		if encoded(o.Disk) > maxOrderDisk || encoded(string(o.Stage)) > maxVolumeID {
			return api.Errorf(api.CodeInvalid, "disk or stage of an order is too long")
		}
	}
	if err := checkCloud(r.Cloud); err != nil {
		return err
	}
	if r.Cluster != nil {
		if err := checkOwned(r.Cluster.Owned); err != nil {
			return err
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

// What EC2 calls things. Region and zone of a node go into an expansion's record and decide about prices.
var (
	placeForm    = regexp.MustCompile(`^[a-z0-9-]{0,40}$`)
	instanceForm = regexp.MustCompile(`^[A-Za-z0-9-]{0,64}$`)
	typeForm     = regexp.MustCompile(`^[A-Za-z0-9.-]{0,64}$`)
	accountForm  = regexp.MustCompile(`^[0-9]{0,20}$`)
	volumeForm   = regexp.MustCompile(`^vol-[0-9a-z-]{1,28}$`)
)

func checkCloud(c *api.CloudView) error {
	switch {
	case c == nil:
		return nil
	case !placeForm.MatchString(c.Region), !placeForm.MatchString(c.Zone):
		return api.Errorf(api.CodeInvalid, "%.100q is no region, or %.100q no zone", c.Region, c.Zone)
	case !instanceForm.MatchString(c.InstanceID), !typeForm.MatchString(c.InstanceType), !typeForm.MatchString(c.Provider), !accountForm.MatchString(c.Account):
		return api.Errorf(api.CodeInvalid, "%.100q is no instance, %.100q no type of one, or %.100q no account", c.InstanceID, c.InstanceType, c.Account)
	case c.SlotsMax < 0, c.SlotsUsed < 0, c.SlotsMax > maxSlots, c.SlotsUsed > maxSlots:
		return api.Errorf(api.CodeInvalid, "no instance has %d slots for volumes and %d of them used", c.SlotsMax, c.SlotsUsed)
	case len(c.Attached) > maxSlots, slices.ContainsFunc(c.Attached, func(v string) bool { return !volumeForm.MatchString(v) }):
		return api.Errorf(api.CodeInvalid, "no instance has %d such volumes", len(c.Attached))
	case len(c.Notices) > maxNotices:
		return api.Errorf(api.CodeInvalid, "more than %d notices of an instance", maxNotices)
	}
	return nil
}

// checkOwned volumes. Whoever may tag volumes writes what their tags say: those are cut, so that nobody keeps the leader from being heard by them.
func checkOwned(owned *api.OwnedVolumes) error {
	if owned == nil {
		return nil
	}
	if len(owned.Volumes) > api.MaxOwnedVolumes {
		return api.Errorf(api.CodeInvalid, "more than %d volumes of the cluster", api.MaxOwnedVolumes)
	}
	for i := range owned.Volumes {
		v := &owned.Volumes[i]
		if !volumeForm.MatchString(v.VolumeID) || !placeForm.MatchString(v.Zone) || !typeForm.MatchString(v.Type) || !typeForm.MatchString(v.State) || !instanceForm.MatchString(v.Instance) {
			return api.Errorf(api.CodeInvalid, "%.100q in %.100q, %.100q of type %.100q, is no volume", v.VolumeID, v.Zone, v.State, v.Type)
		}
		if min(v.SizeGiB, v.IOPS, v.ThroughputMiBs) < 0 || max(v.SizeGiB, v.IOPS, v.ThroughputMiBs) > maxVolumeNumber {
			return api.Errorf(api.CodeInvalid, "volume %s can't have %d GiB, %d IOPS and %d MiB/s", v.VolumeID, v.SizeGiB, v.IOPS, v.ThroughputMiBs)
		}
		v.Node, v.Expansion, v.Order = fit(v.Node, maxTag), fit(v.Expansion, maxTag), fit(v.Order, maxTag)
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

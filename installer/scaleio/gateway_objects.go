package scaleio

import (
	types "github.com/dell/goscaleio/types/v1"

	"scaleio-framework/scheduler/api"
)

// Objects are all that the gateway shows of one system, in our units.
type Objects struct {
	SystemID   string
	SystemName string
	Version    string // of the gateway's API, "3.6"
	Domains    []DomainObject
	Pools      []PoolObject
	FaultSets  []FaultSetObject
	SDSs       []SDSObject
	Devices    []DeviceObject
	SDCs       []api.SDCView
}

// DomainObject is a protection domain.
type DomainObject struct{ ID, Name, State string }

// FaultSetObject is a fault set; its name is unique only within its domain.
type FaultSetObject struct{ ID, Name, DomainID string }

// PoolObject is a storage pool with its figures.
type PoolObject struct {
	ID, Name, DomainID string
	MediaType          string // HDD, SSD, Transitional; "" on 2.x
	SparePercent       int
	ZeroPadding        bool
	Figures            api.PoolView
}

// SDSObject is one SDS.
type SDSObject struct {
	ID, Name, DomainID, FaultSetID string
	IPs                            []string
	Connection, Membership, State  string
	Maintenance                    string // NoMaintenance, or what it is in
}

// InMaintenance says whether a person took the SDS out of service for a while.
func (s SDSObject) InMaintenance() bool {
	return s.Maintenance != "" && s.Maintenance != "NoMaintenance"
}

// Removing says whether its data is on the way to others; the SDS is gone when that is done.
func (s SDSObject) Removing() bool { return s.State == "RemovePending" }

// DeviceObject is one device of an SDS.
type DeviceObject struct {
	ID, Name, SDSID, PoolID   string
	CurrentPath, OriginalPath string
	SizeBytes                 int64
	State, Error              string
}

// Domain by name.
func (o Objects) Domain(name string) (DomainObject, bool) {
	for _, d := range o.Domains {
		if d.Name == name {
			return d, true
		}
	}
	return DomainObject{}, false
}

// Pool by name within a domain: other domains may have a pool of the same name.
func (o Objects) Pool(domainID, name string) (PoolObject, bool) {
	for _, p := range o.Pools {
		if p.DomainID == domainID && p.Name == name {
			return p, true
		}
	}
	return PoolObject{}, false
}

// FaultSet by name within a domain.
func (o Objects) FaultSet(domainID, name string) (FaultSetObject, bool) {
	for _, f := range o.FaultSets {
		if f.DomainID == domainID && f.Name == name {
			return f, true
		}
	}
	return FaultSetObject{}, false
}

// FaultSetName of an id; "" for none.
func (o Objects) FaultSetName(id string) string {
	for _, f := range o.FaultSets {
		if f.ID == id {
			return f.Name
		}
	}
	return ""
}

// SDS by name; names of SDSs are unique in the system.
func (o Objects) SDS(name string) (SDSObject, bool) {
	for _, s := range o.SDSs {
		if s.Name == name {
			return s, true
		}
	}
	return SDSObject{}, false
}

// DevicesOf an SDS.
func (o Objects) DevicesOf(sdsID string) (devices []DeviceObject) {
	for _, d := range o.Devices {
		if d.SDSID == sdsID {
			devices = append(devices, d)
		}
	}
	return devices
}

const noFaultSet = "0000000000000000"

func sdsObject(s types.Sds) SDSObject {
	o := SDSObject{ID: s.ID, Name: s.Name, DomainID: s.ProtectionDomainID, FaultSetID: s.FaultSetID, Connection: s.MdmConnectionState,
		Membership: s.MembershipState, State: s.SdsState, Maintenance: s.MaintenanceState}
	if o.FaultSetID == noFaultSet {
		o.FaultSetID = ""
	}
	for _, ip := range s.IPList {
		if ip != nil {
			o.IPs = append(o.IPs, ip.IP)
		}
	}
	return o
}

func deviceObject(d types.Device) DeviceObject {
	size := int64(d.MaxCapacityInKb)
	if size == 0 {
		size = int64(d.CapacityLimitInKb)
	}
	return DeviceObject{ID: d.ID, Name: d.Name, SDSID: d.SdsID, PoolID: d.StoragePoolID, CurrentPath: d.DeviceCurrentPathName,
		OriginalPath: d.DeviceOriginalPathName, SizeBytes: size << 10, State: d.DeviceState, Error: d.ErrorState}
}

func sdcView(s types.Sdc) api.SDCView {
	ip := s.SdcIP
	if ip == "" && len(s.SdcIPs) > 0 {
		ip = s.SdcIPs[0]
	}
	return api.SDCView{ID: s.ID, GUID: s.SdcGUID, IP: ip, Connected: s.MdmConnectionState == "Connected"}
}

func poolObject(p types.StoragePool, s *types.Statistics) PoolObject {
	kb := func(n ...int) (sum int64) {
		for _, v := range n {
			sum += int64(v) << 10
		}
		return sum
	}
	return PoolObject{ID: p.ID, Name: p.Name, DomainID: p.ProtectionDomainID, MediaType: p.MediaType, SparePercent: p.SparePercentage,
		ZeroPadding: p.ZeroPaddingEnabled, Figures: api.PoolView{ID: p.ID, RawBytes: kb(s.MaxCapacityInKb), SpareBytes: kb(s.SpareCapacityInKb),
			InUseBytes: kb(s.CapacityInUseInKb), FreeBytes: kb(max(0, s.MaxCapacityInKb-s.CapacityInUseInKb-s.SpareCapacityInKb-s.UnreachableUnusedCapacityInKb)),
			DegradedBytes: kb(s.DegradedHealthyCapacityInKb, s.DegradedFailedCapacityInKb), FailedBytes: kb(s.FailedCapacityInKb),
			RebuildBytes: kb(s.ActiveFwdRebuildCapacityInKb, s.PendingFwdRebuildCapacityInKb, s.ActiveBckRebuildCapacityInKb, s.PendingBckRebuildCapacityInKb),
			SparePercent: p.SparePercentage, Volumes: s.NumOfVolumes, UnreachedBytes: kb(s.UnreachableUnusedCapacityInKb),
			ProtectedBytes: kb(s.ProtectedCapacityInKb)}}
}

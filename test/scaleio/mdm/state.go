package mdm

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/wire"
)

// State is the one replicated document: every object of the cluster.
type State struct {
	Index     int64           `json:"index"`
	Serial    int64           `json:"serial"` // last number used in an object id
	System    mgmt.System     `json:"system"`
	Users     []User          `json:"users"`
	Domains   []mgmt.Domain   `json:"domains,omitempty"`
	Pools     []mgmt.Pool     `json:"pools,omitempty"`
	FaultSets []mgmt.FaultSet `json:"faultSets,omitempty"`
	SDSs      []mgmt.SDS      `json:"sdss,omitempty"`
	Devices   []Device        `json:"devices,omitempty"`
	Volumes   []Volume        `json:"volumes,omitempty"`
	SDCs      []mgmt.SDC      `json:"sdcs,omitempty"`
}

// User with what proves the password.
type User struct {
	mgmt.User
	Salt []byte `json:"salt"`
	Hash []byte `json:"hash"`
}

// Device with its chunk slots: those from Fresh on were never used, Freed ones are free again (the SDS shows a slot's old data to no other volume),
// Dropped ones are once they are empty (their volume lives and may use them again).
type Device struct {
	mgmt.Device
	Fresh   int64     `json:"fresh"`
	Freed   []int64   `json:"freed,omitempty"`
	Dropped []Dropped `json:"dropped,omitempty"`
}

// Dropped is a slot that holds what a volume no longer uses.
type Dropped struct {
	Slot   int64  `json:"slot"`
	Volume string `json:"volume"`
}

// Volume with the places of its data.
type Volume struct {
	mgmt.Volume
	Chunks []Chunk `json:"chunks,omitempty"`
}

// A Chunk has one good copy at least; a copy that missed a write, or isn't filled yet, is stale. More than two it has only on the way.
type Chunk struct {
	Index  int64  `json:"index"`
	Copies []Copy `json:"copies"`
}

type Copy struct {
	SDS    string `json:"sds"`
	Device string `json:"device"`
	Slot   int64  `json:"slot"`
	Stale  bool   `json:"stale,omitempty"`

	Replaces string `json:"replaces,omitempty"` // the device whose copy this one is to take the place of, when a pool is rebalanced
}

func (s *State) clone() (*State, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("copying state: %w", err)
	}
	next := &State{}
	return next, json.Unmarshal(raw, next)
}

// newID makes an id as the product does: a random half and a running half.
func (s *State) newID() string {
	id := fmt.Sprintf("%08x%08x", random32(), s.Serial)
	s.Serial++
	return id
}

func find[T any](list []T, match func(*T) bool) *T {
	for i := range list {
		if match(&list[i]) {
			return &list[i]
		}
	}
	return nil
}

func remove[T any](list []T, match func(*T) bool) []T {
	return slices.DeleteFunc(list, func(t T) bool { return match(&t) })
}

func (s *State) domain(ref mgmt.Ref) (*mgmt.Domain, error) {
	d := find(s.Domains, func(d *mgmt.Domain) bool { return matches(ref, d.ID, d.Name) })
	if d == nil {
		return nil, mgmt.NoDomain
	}
	return d, nil
}

// domainOf is the id of the domain that a reference is limited to, or nothing.
func (s *State) domainOf(ref mgmt.Ref) (string, error) {
	if ref.Domain == nil || ref.Domain.Empty() {
		return "", nil
	}
	d, err := s.domain(*ref.Domain)
	if err != nil {
		return "", err
	}
	return d.ID, nil
}

func (s *State) pool(ref mgmt.Ref) (*mgmt.Pool, error) {
	in, err := s.domainOf(ref)
	if err != nil {
		return nil, err
	}
	p := find(s.Pools, func(p *mgmt.Pool) bool {
		return matches(ref, p.ID, p.Name) && (in == "" || p.Domain == in)
	})
	if p == nil {
		return nil, mgmt.NoPool
	}
	return p, nil
}

func (s *State) faultSet(ref mgmt.Ref) (*mgmt.FaultSet, error) {
	in, err := s.domainOf(ref)
	if err != nil {
		return nil, err
	}
	f := find(s.FaultSets, func(f *mgmt.FaultSet) bool {
		return matches(ref, f.ID, f.Name) && (in == "" || f.Domain == in)
	})
	if f == nil {
		return nil, mgmt.NoFaultSet
	}
	return f, nil
}

func (s *State) sds(ref mgmt.Ref) (*mgmt.SDS, error) {
	found := find(s.SDSs, func(x *mgmt.SDS) bool {
		return matches(ref, x.ID, x.Name) || ref.IP != "" &&
			slices.ContainsFunc(x.IPs, func(ip mgmt.SDSIP) bool { return ip.IP == ref.IP })
	})
	if found == nil {
		return nil, mgmt.NoSDS
	}
	return found, nil
}

func (s *State) device(ref mgmt.DeviceRef) (*Device, error) {
	sds := ""
	if !ref.SDS.Empty() {
		x, err := s.sds(ref.SDS)
		if err != nil {
			return nil, err
		}
		sds = x.ID
	}
	d := find(s.Devices, func(d *Device) bool {
		if sds != "" && d.SDS != sds {
			return false
		}
		return ref.ID != "" && d.ID == ref.ID || sds != "" && (ref.Name != "" && d.Name == ref.Name ||
			ref.Path != "" && (d.CurrentPath == ref.Path || d.OriginalPath == ref.Path))
	})
	switch {
	case d == nil:
		return nil, mgmt.NoDevice
	case ref.ID == "" && ref.Path != "" && d.CurrentPath != ref.Path:
		return nil, mgmt.DevicePathChanged
	}
	return d, nil
}

func (s *State) volume(ref mgmt.Ref) (*Volume, error) {
	v := find(s.Volumes, func(v *Volume) bool { return matches(ref, v.ID, v.Name) })
	if v == nil {
		return nil, mgmt.NoVolume
	}
	return v, nil
}

func (s *State) sdc(ref mgmt.Ref) (*mgmt.SDC, error) {
	c := find(s.SDCs, func(c *mgmt.SDC) bool {
		return matches(ref, c.ID, c.Name) || ref.IP != "" && c.IP == ref.IP || ref.GUID != "" && c.GUID == ref.GUID
	})
	if c == nil {
		return nil, mgmt.NoSDC
	}
	return c, nil
}

func (s *State) user(ref mgmt.Ref) (*User, error) {
	u := find(s.Users, func(u *User) bool { return matches(ref, u.ID, u.Name) })
	if u == nil {
		return nil, mgmt.NoUser
	}
	return u, nil
}

func matches(ref mgmt.Ref, id, name string) bool {
	return ref.ID != "" && ref.ID == id || ref.Name != "" && ref.Name == name
}

// faultUnit is what two copies must not share: the fault set, or the SDS that has none.
func (s *State) faultUnit(sdsID string) string {
	sds := find(s.SDSs, func(x *mgmt.SDS) bool { return x.ID == sdsID })
	if sds != nil && sds.FaultSet != "" {
		return sds.FaultSet
	}
	return sdsID
}

// address of an SDS for data and control.
func (s *State) address(sdsID string) string {
	sds := find(s.SDSs, func(x *mgmt.SDS) bool { return x.ID == sdsID })
	if sds == nil {
		return ""
	}
	for _, ip := range sds.IPs {
		if ip.Role != "sdcOnly" {
			return mgmt.Address(ip.IP, sds.Port)
		}
	}
	return ""
}

// wireVolume is the volume as SDCs see it: good copies only.
func (s *State) wireVolume(v *Volume) wire.Volume {
	w := wire.Volume{ID: v.ID, Name: v.Name, SizeBytes: v.SizeBytes, Generation: v.Generation}
	for _, c := range v.Chunks {
		chunk := wire.Chunk{Index: c.Index}
		for _, p := range c.Copies {
			if !p.Stale {
				chunk.Copies = append(chunk.Copies, wire.Copy{SDS: p.SDS, Addr: s.address(p.SDS), Device: p.Device, Slot: p.Slot})
			}
		}
		w.Chunks = append(w.Chunks, chunk)
	}
	return w
}

// firstState is a new cluster's: the default administrator and nothing else.
func firstState(systemID string) (*State, error) {
	s := &State{System: mgmt.System{ID: systemID, InstallationID: fmt.Sprintf("%08x%08x", random32(), random32()), Created: time.Now().UTC(),
		RestrictedSDC: "None", CLIPasswordAllowed: true, HighPercent: 80, CriticalPercent: 90, PerfProfile: "HighPerformance"}}
	admin := User{User: mgmt.User{ID: s.newID(), Name: "admin", Role: roleSuperUser, NeedNewPass: true}}
	if err := admin.setPassword("admin"); err != nil {
		return nil, err
	}
	s.Users = []User{admin}
	return s, nil
}

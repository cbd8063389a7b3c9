package faults_test

import (
	"context"
	"encoding/json"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/test/scaleio/scaleiotest"
)

// service is whose maintenance each SDS is in, by its id.
type service struct {
	by     map[string]string
	missed map[string]bool // data that came while it was away: it is copied when the maintenance ends
	begun  map[string]time.Time
	wanted map[string]time.Time // since when the scheduler has it stored that it wants it
}

const (
	byUs     = "us"
	byPerson = "a person"
)

// session of scli on one node.
type session struct {
	scaleiotest.Settled
	tools
}

func (s session) SwitchMaster(ctx context.Context, to string) error {
	return s.act(ctx, "switch master", func() error {
		for _, m := range s.cluster.Members {
			if m.Name == to && m.Place == scaleio.PlaceSlave && m.Status == "Normal" {
				s.moveMaster()
				return nil
			}
		}
		return refused("The MDM is not a valid slave")
	})
}

func (s session) EnterMaintenance(ctx context.Context, name string) error {
	return s.act(ctx, "enter maintenance "+name, func() error {
		d := s.sds(name)
		if d == nil {
			return refused("The SDS could not be found")
		}
		if d.InMaintenance() {
			return refused("The specified SDS is already in maintenance-mode.")
		}
		s.w.checkService(s.w.at(d.IPs[0]))
		s.enters(d, byUs)
		return nil
	})
}

func (s session) ExitMaintenance(ctx context.Context, name string) error {
	return s.act(ctx, "exit maintenance "+name, func() error {
		d := s.sds(name)
		if d == nil {
			return refused("The SDS could not be found")
		}
		if !d.InMaintenance() {
			return refused("The specified SDS is not in maintenance-mode.")
		}
		if s.service.by[d.ID] == byPerson && !s.crossed(d) {
			s.w.broken("a person's maintenance of %s is ended by %s", name, s.n.name)
		}
		s.exits(d)
		return nil
	})
}

// crossed: the person began it when ours was decided already, or just before, as far as a sample may be old. The product says of a maintenance neither whose it is nor since when,
// so what comes between our look and our call is taken for ours.
func (s *storage) crossed(d *scaleio.SDSObject) bool {
	wanted, is := s.service.wanted[d.ID]
	return is && s.service.begun[d.ID].Add(s.w.leeway()).After(wanted)
}

// stored is what the scheduler stores of its leases.
func (s *service) stored(leases []byte) {
	var l decide.Leases
	must(json.Unmarshal(leases, &l))
	for sds := range s.wanted {
		if l.Service == nil || l.Service.SDS != sds {
			delete(s.wanted, sds)
		}
	}
	if l.Service == nil {
		return
	}
	if _, already := s.wanted[l.Service.SDS]; !already {
		s.wanted[l.Service.SDS] = time.Now()
	}
}

func (s *storage) sds(name string) *scaleio.SDSObject {
	for i := range s.objects.SDSs {
		if s.objects.SDSs[i].Name == name {
			return &s.objects.SDSs[i]
		}
	}
	return nil
}

func (s *storage) enters(d *scaleio.SDSObject, who string) {
	d.Maintenance, s.service.by[d.ID], s.service.begun[d.ID] = "InMaintenance", who, time.Now()
}

func (s *storage) exits(d *scaleio.SDSObject) {
	d.Maintenance = "NoMaintenance"
	delete(s.service.by, d.ID)
	if s.service.missed[d.ID] {
		delete(s.service.missed, d.ID)
		s.rebuild = time.Now().Add(30 * time.Second)
	}
}

// reconnected, or not any more: what an SDS in maintenance misses isn't copied elsewhere.
func (s *storage) reconnected(d *scaleio.SDSObject) {
	if d.InMaintenance() {
		s.service.missed[d.ID] = true
		return
	}
	if s.serves(d) {
		s.rebuild = time.Now().Add(90 * time.Second)
	}
}

// canMiss says whether the storage, as it truly is, can do without a node whose own SDS may be in maintenance for that.
func (s *storage) canMiss(n *node) bool {
	if len(s.cluster.Members) == 0 {
		return true
	}
	if s.cluster.State != "Normal" || time.Now().Before(s.rebuild) {
		return false
	}
	for _, d := range s.objects.SDSs {
		if s.serves(&d) && (d.Connection != "Connected" || d.InMaintenance() && d.IPs[0] != n.ip) {
			return false
		}
	}
	return true
}

// witness what the acts of nodes are judged by: when it was last so.
func (s *storage) witness() {
	for _, n := range s.w.nodes {
		if s.canMiss(n) {
			n.spare = time.Now()
		}
		if !s.master(n.ip) {
			n.follower = time.Now()
		}
		if d := s.sdsOf(n); d == nil || d.InMaintenance() || !s.serves(d) {
			n.out = time.Now()
		}
	}
}

func (s *storage) sdsOf(n *node) *scaleio.SDSObject {
	for i := range s.objects.SDSs {
		if s.objects.SDSs[i].IPs[0] == n.ip {
			return &s.objects.SDSs[i]
		}
	}
	return nil
}

// serves says whether it has a disk, so that there is something to lose.
func (s *storage) serves(d *scaleio.SDSObject) bool {
	for _, have := range s.objects.Devices {
		if have.SDSID == d.ID {
			return true
		}
	}
	return false
}

package mesos

import (
	"fmt"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"scaleio-framework/test/mesos/resource"
)

// An offer holds resources of one agent for one role of one framework until it
// is used, declined, rescinded or withdrawn. Guarded by Master.mu.
type offer struct {
	id        string
	framework *framework
	agent     *agent
	role      string
	resources resource.Bundle
	timer     *time.Timer
}

func (o *offer) stopTimer() {
	if o.timer != nil {
		o.timer.Stop()
	}
}

func numbered(prefix, format string, count *int) string {
	id := prefix + fmt.Sprintf(format, *count)
	*count++
	return id
}

// allocate offers what is free on the agents. Everything free on an agent goes
// to one framework: the one with the smallest dominant share that takes it.
func (m *Master) allocate(agents []*agent) {
	shares := m.newShares()
	if len(shares) == 0 {
		return
	}
	now := time.Now()
	fresh := map[*framework][]*offer{}
	for _, a := range agents {
		if !a.active() {
			continue
		}
		free := a.total.Minus(a.used).Minus(a.offered)
		for !free.Empty() {
			o := m.allocateAgent(a, free, shares, now)
			if o == nil {
				break
			}
			fresh[o.framework] = append(fresh[o.framework], o)
			free = free.Minus(o.resources)
		}
	}
	for f, offers := range fresh {
		m.sendOffers(f, offers)
	}
}

func (m *Master) allocateAgent(a *agent, free resource.Bundle, shares []*share, now time.Time) *offer {
	var best *share
	var bestRole string
	for _, s := range shares {
		if best != nil && s.dominant >= best.dominant {
			continue
		}
		for _, role := range s.framework.roles() {
			usable := free.ForRole(role)
			if s.framework.suppressed[role] || !usable.Allocatable() || s.framework.refuses(a.id, role, usable, now) {
				continue
			}
			best, bestRole = s, role
			break
		}
	}
	if best == nil {
		return nil
	}
	o := &offer{
		id:        numbered(m.cfg.ID, "-O%d", &m.offerCount),
		framework: best.framework, agent: a, role: bestRole, resources: free.ForRole(bestRole),
	}
	m.offers[o.id], best.framework.offers[o.id], a.offers[o.id] = o, o, o
	a.offered = a.offered.Plus(o.resources)
	best.add(o.resources)
	if m.cfg.OfferTimeout > 0 {
		o.timer = time.AfterFunc(m.cfg.OfferTimeout, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.rescind(o)
		})
	}
	return o
}

// A share is what a framework holds of the cluster, for fairness (DRF).
type share struct {
	framework           *framework
	cpus, mem           float64
	totalCPUs, totalMem float64
	dominant            float64
}

func (m *Master) newShares() []*share {
	var shares []*share
	for _, f := range m.frameworks {
		if f.connected() {
			shares = append(shares, &share{framework: f})
		}
	}
	if len(shares) < 2 {
		return shares // nobody to be fair to
	}
	var cpus, mem float64
	for _, a := range m.agentOrder {
		cpus += a.total.Scalar("cpus")
		mem += a.total.Scalar("mem")
	}
	for _, s := range shares {
		s.totalCPUs, s.totalMem = max(cpus, 1), max(mem, 1)
		s.add(s.framework.allocated)
		for _, o := range s.framework.offers {
			s.add(o.resources)
		}
	}
	return shares
}

func (s *share) add(b resource.Bundle) {
	s.cpus += b.Scalar("cpus")
	s.mem += b.Scalar("mem")
	if s.totalCPUs > 0 {
		s.dominant = max(s.cpus/s.totalCPUs, s.mem/s.totalMem)
	}
}

func (m *Master) sendOffers(f *framework, offers []*offer) {
	batch := m.cfg.MaxOffersPerEvent
	if batch <= 0 {
		batch = len(offers)
	}
	for start := 0; start < len(offers); start += batch {
		e := event(scheduler.Event_OFFERS)
		e.Offers = &scheduler.Event_Offers{}
		for _, o := range offers[start:min(start+batch, len(offers))] {
			e.Offers.Offers = append(e.Offers.Offers, o.message())
		}
		f.send(e)
	}
}

func (o *offer) message() v1.Offer {
	a := o.agent
	hostname, ip := a.spec.Hostname, a.spec.IP
	path := "/slave(1)"
	message := v1.Offer{
		ID: v1.OfferID{Value: o.id}, FrameworkID: v1.FrameworkID{Value: o.framework.id}, AgentID: v1.AgentID{Value: a.id},
		Hostname: hostname,
		URL: &v1.URL{
			Scheme: "http", Path: &path,
			Address: v1.Address{Hostname: &hostname, IP: &ip, Port: int32(a.spec.Port)},
		},
		Resources:  o.resources.Resources(o.framework.format(o.role)),
		Attributes: a.attributes,
	}
	if role := o.role; o.framework.can(v1.FrameworkInfo_Capability_MULTI_ROLE) {
		message.AllocationInfo = &v1.Resource_AllocationInfo{Role: &role}
	}
	return message
}

// forOperators shows the allocation whatever the framework can do.
func (o *offer) forOperators() v1.Offer {
	message, role := o.message(), o.role
	message.Resources = o.resources.Resources(resource.Format{AllocatedTo: role, Refined: true})
	message.AllocationInfo = &v1.Resource_AllocationInfo{Role: &role}
	return message
}

// drop takes an offer off the books; its resources are free again.
func (m *Master) drop(o *offer) {
	o.stopTimer()
	delete(m.offers, o.id)
	delete(o.framework.offers, o.id)
	delete(o.agent.offers, o.id)
	o.agent.offered = o.agent.offered.Minus(o.resources)
}

func (m *Master) rescind(o *offer) {
	if m.offers[o.id] != o {
		return
	}
	m.drop(o)
	e := event(scheduler.Event_RESCIND)
	e.Rescind = &scheduler.Event_Rescind{OfferID: v1.OfferID{Value: o.id}}
	o.framework.send(e)
}

// withdrawOffers takes all offers of a framework back, with or without telling it.
func (m *Master) withdrawOffers(f *framework, tell bool) {
	for _, o := range f.offers {
		if tell {
			m.rescind(o)
		} else {
			m.drop(o)
		}
	}
}

// decline of an unknown, used or foreign offer is ignored.
func (m *Master) decline(f *framework, id string, filters *v1.Filters) {
	o := f.offers[id]
	if o == nil {
		return
	}
	m.drop(o)
	f.refuse(o.agent.id, o.role, o.resources, filters, time.Now())
}

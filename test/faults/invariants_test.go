package faults_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
)

// known is what was so once and must stay so.
type known struct {
	cluster string
	mdms    string
	gates   map[string]int // by node: how many were open
	devices int

	open      []api.Gate        // that anybody was told of
	faultSets map[string]string // by failure domain
	given     map[string]int    // expansions, by the era of whose scheduler they were heard first
	listed    int               // the era in which the cluster's volumes were listed last
	used      map[string]bool   // disks that were in the pool
}

func newKnown() known {
	return known{gates: map[string]int{}, faultSets: map[string]string{}, given: map[string]int{}, used: map[string]bool{}}
}

// check what must hold after every step.
func (w *world) check() {
	var leaders []string
	for _, n := range w.nodes {
		n.returned()
		if n.leads() && n.powered() {
			leaders = append(leaders, n.name)
		}
		if n.kept.Spec != nil {
			w.checkSpec(n, n.kept.Spec)
		}
	}
	if len(leaders) > 1 {
		w.broken("%v all hold the leader's lease", leaders)
	}
	if len(w.cloud.volumes) > maxVolumes {
		w.broken("%d volumes are there, %d may be", len(w.cloud.volumes), maxVolumes)
	}
	for name, count := range w.storage.devices() {
		if count > 1 {
			w.broken("%s is %d devices", name, count)
		}
	}
	if have := len(w.storage.objects.Devices); have < w.known.devices {
		w.broken("%d devices, there were %d", have, w.known.devices)
	} else {
		w.known.devices = have
	}
}

func (w *world) checkSpec(n *node, spec *api.NodeSpec) {
	if w.known.cluster == "" {
		w.known.cluster = spec.Version.Cluster
	}
	if spec.Version.Cluster != w.known.cluster {
		w.broken("%s is in a second cluster", n.name)
	}
	if len(spec.MDMs) > 0 {
		var all []string
		for _, m := range spec.MDMs {
			all = append(all, m.Name+" "+string(m.Role))
		}
		if text := strings.Join(all, ", "); w.known.mdms == "" {
			w.known.mdms = text
			w.note("roles: %s", text)
		} else if text != w.known.mdms {
			w.broken("the MDMs of %s are %s, they were %s", n.name, text, w.known.mdms)
		}
	}
	if n.era == w.era && len(spec.Gates) < w.known.gates[n.name] {
		w.broken("a gate closed for %s: %v", n.name, spec.Gates)
	}
	if n.era == w.era {
		w.known.gates[n.name] = len(spec.Gates)
	}
	if n.seen != spec {
		n.seen = spec
		w.checkRemembered(n, spec)
	}
}

// refused: the scheduler didn't start. What is stored may be unreadable for a while, but never taken for nothing.
func (w *world) refused(err error) {
	w.person.refused(err)
	if errors.Is(err, scheduler.ErrRefused) && !w.disk.gone {
		w.broken("the scheduler took its store for empty: %v", err)
	}
}

// unsettled says what isn't as it should be yet; "" = all is, or waits for a person with a reason.
func (w *world) unsettled() string {
	b := w.brain
	if !b.up() || !b.subs {
		return "the scheduler is away"
	}
	if len(w.later) > 0 {
		return "something is on its way"
	}
	for _, n := range w.nodes {
		switch {
		case n.dead || n.frozen || n.spec == nil:
			return n.name + " is away, or without orders"
		case n.era < w.era:
			return n.name + " has no orders of the present scheduler"
		case n.blocked():
			continue
		case len(n.spec.Claims) > 0 || n.spec.Growth != nil && len(n.spec.Growth.Orders) > 0:
			return fmt.Sprintf("%s has %d claims, and orders", n.name, len(n.spec.Claims))
		}
		for _, d := range n.disks {
			if d.foreign.IsZero() && !d.taken && !w.explained(n, d) && !w.paidFor()[d.id] {
				return fmt.Sprintf("disk %s is empty and not in the pool", d.id)
			}
		}
		if a := w.mesos.agent("agent-" + n.name); !a.task.live() {
			return n.name + " has no task"
		}
	}
	s := b.Status()
	if s.Waiting != "" {
		return "waits for " + s.Waiting
	}
	if w.era > 0 {
		if why := w.unchecked(&s); why != "" {
			return why
		}
	}
	if why := w.uninterrupted(&s); why != "" {
		return why
	}
	for _, n := range s.Nodes {
		if !n.Ready && !reasoned(n) {
			return fmt.Sprintf("%s isn't Ready: %s %s", n.Name, n.Reason, n.Message)
		}
	}
	return ""
}

// count events of a kind that are told of.
func (w *world) count(kind string) (count int) {
	for _, e := range w.told {
		if e.Kind == kind {
			count++
		}
	}
	return count
}

// standing says for people who read a trace what each node says of itself.
func (w *world) standing() string {
	var all []string
	for _, n := range w.nodes {
		for _, c := range n.conds {
			if c.Status != api.True {
				all = append(all, fmt.Sprintf("%s %s: %s %s", n.name, c.Type, c.Reason, c.Message))
			}
		}
		if n.spec != nil && len(n.spec.Claims) > 0 {
			all = append(all, fmt.Sprintf("%s claims %v", n.name, n.spec.Claims))
		}
		if n.spec != nil && n.spec.Growth != nil {
			for _, o := range n.spec.Growth.Orders {
				all = append(all, fmt.Sprintf("%s order %d.%d of %s, abandon %v", n.name, o.Index, o.Attempt, o.VolumeID, o.Abandon))
			}
		}
		if n.leads() && n.view != nil {
			for _, c := range n.view.Conditions {
				all = append(all, fmt.Sprintf("%s leads, %s: %s %s", n.name, c.Type, c.Reason, c.Message))
			}
		}
	}
	if w.plan.reboots.on && w.brain.up() {
		for _, p := range w.brain.Plan().Steps {
			all = append(all, fmt.Sprintf("planned: %s %s: %s", p.Node, p.Act, p.Why))
		}
		for _, e := range w.brain.Events(api.EventQuery{}).Events {
			all = append(all, fmt.Sprintf("event %s %s %s %s", e.Time.Sub(w.begun).Round(time.Second), e.Node, e.Kind, e.Message))
		}
	}
	return strings.Join(all, "\n")
}

// forPeople are the reasons of what only a person can decide: somebody used a disk while it was being handed over.
var forPeople = []string{"LeftOverIntent", "HandOverUnclear", "ClaimRefused"}

// reasoned: a person has to do something, and is told what.
func reasoned(n api.NodeStatus) bool { return contains(forPeople, n.Reason) && n.Message != "" }

func (n *node) blocked() bool {
	return slices.ContainsFunc(n.conds, func(c api.Condition) bool { return contains(forPeople, c.Reason) && c.Message != "" })
}

// explained: a disk that isn't given is refused with a reason.
func (w *world) explained(n *node, d *drive) bool {
	for _, line := range w.brain.Status().Nodes {
		i := slices.IndexFunc(line.Disks, func(s api.Disk) bool { return s.ID == d.id })
		if line.Name == n.name && i >= 0 {
			return line.Disks[i].State == api.DiskRefused && line.Disks[i].Reason != ""
		}
	}
	return false
}

// paidFor are volumes of which people are told that they are out of use, and what they cost.
func (w *world) paidFor() map[string]bool {
	all := map[string]bool{}
	w.told = w.brain.Events(api.EventQuery{}).Events
	for _, e := range w.told {
		if (e.Kind == "GrowthVolumeKept" || e.Kind == "GrowthOrphan") && e.Cost > 0 {
			id, _, _ := strings.Cut(e.Message, " ")
			all[strings.Trim(id, ":,")] = true
		}
	}
	return all
}

// atRest: what is paid for is in the pool, or told of with what it costs; every order was carried out once.
func (w *world) atRest() {
	if len(w.wrong) > 0 {
		return
	}
	told := w.paidFor()
	devices, orders := w.storage.devices(), map[string]string{}
	for id, v := range w.cloud.volumes {
		in := devices[scaleio.DeviceName(id)] == 1
		if !in && !told[id] {
			w.broken("%s is paid for, not in the pool, and nobody was told", id)
		}
		index, _, _ := strings.Cut(v.Tags[api.TagOrder], ".")
		order := v.Tags[api.TagExpansion] + " " + index
		if in && orders[order] != "" {
			w.broken("an order was carried out twice: %s and %s", orders[order], id)
		}
		if in {
			orders[order] = id
		}
	}
	w.stillOpen()
	if w.storage.formed != 1 {
		w.broken("%d systems were formed", w.storage.formed)
	}
	w.note("settled: %d devices, %d volumes bought", len(w.storage.objects.Devices), w.cloud.made)
}

package decide

import (
	"fmt"
	"strings"

	"scaleio-framework/scheduler/api"
)

// standing says why a proposed expansion can't be carried out any more as it was proposed.
func standing(s *State, e *Expansion) string {
	if kind, why := cantGrow(s); kind != "" {
		return why
	}
	have := spent(s)
	sites, against := sitesOf(s, have)
	if len(e.Orders) == 0 {
		return "it orders nothing"
	}
	if room, why := allowance(s, have, sites, e.Orders[0].VolumeOrder); room < len(e.Orders) {
		return why
	}
	slots := map[string]int{}
	for _, at := range sites {
		slots[at.node.ID] = at.slots
	}
	for _, o := range e.Orders {
		if slots[o.Node]--; slots[o.Node] < 0 {
			return nameOf(s, o.Node) + " can't take its volumes any more: " + against
		}
	}
	return ""
}

// outdated says why a proposal isn't what the configuration says now: whoever approves it, a person or auto, would buy something else than is wanted, or for more than was shown.
func outdated(s *State, e *Expansion) string {
	g := &s.Settings.Growth
	if g.Mode != api.GrowthApprove && g.Mode != api.GrowthAuto {
		return fmt.Sprintf("growth is %s: nothing is bought", g.Mode)
	}
	var now api.Cents
	known := true
	for _, o := range e.Orders {
		want := o.VolumeOrder
		want.Type, want.IOPS, want.ThroughputMiBs, want.Encrypted, want.KMSKey = g.Volume.Type, g.Volume.IOPS, g.Volume.ThroughputMiBs, g.Volume.Encrypted, g.Volume.KMSKey
		if g.Volume.SizeGiB != 0 {
			want.SizeGiB = g.Volume.SizeGiB
		}
		if want != o.VolumeOrder {
			return "the configuration says other volumes now (growth-volume-*, growth-kms-key)"
		}
		cost, ok := g.Prices.Monthly(o.Region, o.VolumeOrder)
		now += cost
		known = known && ok
	}
	switch {
	case e.Priced && !known:
		return fmt.Sprintf("$%s a month were shown, and there is no such price any more", e.Cost)
	case known && (!e.Priced || now > e.Cost):
		return fmt.Sprintf("it would cost $%s a month by the prices of now", now)
	}
	return ""
}

// ApproveExpansion starts what was proposed. It is looked at again first.
func ApproveExpansion(s *State, id, who string) (approved *api.ExpansionView, out GrowthOutcome, err error) {
	found, err := named(s, id)
	switch {
	case err != nil:
		return nil, out, err
	case found.State != api.ExpansionProposed:
		return nil, out, fmt.Errorf("expansion %s is %s: it doesn't wait for approval", found.ID, found.State)
	case s.Held(nil) != nil:
		return nil, out, fmt.Errorf("the cluster is held by %s: release it first", s.Held(nil).Author)
	}
	if why := orText(outdated(s, found), orText(unlisted(s), standing(s, found))); why != "" {
		return nil, out, fmt.Errorf("expansion %s can't be carried out as it was proposed: %s", found.ID, why)
	}
	next := found.clone()
	s.replace(next)
	next.start(s, who, &out)
	view := next.view(s)
	return &view, out, nil
}

// leastName of an expansion that a person gives: whoever mistypes must not buy.
const leastName = 8

// named is the expansion of that id, or of a beginning that only one has.
func named(s *State, id string) (found *Expansion, err error) {
	if len(id) < leastName {
		return nil, fmt.Errorf("%q is too short to say which expansion: give its id, or at least the first %d characters; `scaleio-scheduler plan` shows it", id, leastName)
	}
	for _, e := range s.Ledger {
		switch {
		case e.ID == id:
			return e, nil
		case strings.HasPrefix(e.ID, id) && found != nil:
			return nil, fmt.Errorf("%q may be %s or %s: give the whole id", id, found.ID, e.ID)
		case strings.HasPrefix(e.ID, id):
			found = e
		}
	}
	if found == nil {
		return nil, fmt.Errorf("there is no expansion %q; `scaleio-scheduler plan` shows what waits for approval", id)
	}
	return found, nil
}

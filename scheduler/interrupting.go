package scheduler

import (
	"fmt"
	"time"

	"scaleio-framework/scheduler/decide"
)

// serve lets package decide say which SDS is to be in maintenance, and tells of it and of a node that isn't back in time.
func (b *brain) serve() {
	before, now := b.state.Leases.Service, decide.Serve(&b.state)
	if now != before {
		b.state.Leases.Service = now
		b.touched[keyLeases] = true
	}
	switch {
	case before == nil && now != nil:
		b.event(b.state.Nodes[now.Node], "MaintenanceWanted", "its SDS %s is put into maintenance for its reboot", now.Name)
	case before != nil && now == nil:
		b.event(b.state.Nodes[before.Node], "MaintenanceEnded", "its SDS %s isn't in maintenance any more", before.Name)
	case before != nil && now.Leave && !before.Leave:
		if leader := b.state.Nodes[b.state.Leases.Leader]; leader != nil {
			b.stamp(leader) // what it said before it heard of that ends nothing
		}
		b.event(b.state.Nodes[now.Node], "MaintenanceToEnd", "its SDS %s leaves maintenance: %s", now.Name, now.Why)
	}
	if decide.Late(&b.state) {
		l := &b.state.Leases
		l.Late = true
		b.touched[keyLeases] = true
		view := decide.Interruption(&b.state)
		b.event(b.state.Nodes[l.Disruption], "RebootLate", "it may reboot since %s and isn't what it was: %s. No other node is interrupted before it is; if it never will be: scaleio-scheduler release --what=disruption",
			fmt.Sprintf("%s (%s)", view.Since.Format(time.RFC3339), b.state.Settings.RebootWithin), view.State)
	}
}

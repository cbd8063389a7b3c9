package scheduler

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// witness tells what a node's report shows that the one before it didn't.
func (b *brain) witness(n, was *decide.Node) {
	now, before := n.Report, was.Report
	if before == nil {
		before = &api.Report{}
	}
	if before.BootID != "" && now.BootID != before.BootID {
		why := "nobody asked us"
		if b.state.Leases.Disruption == n.ID {
			why = "it had the lease to be interrupted"
		}
		b.seenBy(n, "NodeRebooted", why, "it started anew (boot %.8s, before %.8s)", now.BootID, before.BootID)
	}
	if before.Agent != "" && now.Agent != before.Agent {
		b.seenBy(n, "AgentChanged", "", "its agent is %.60s now, was %.60s", now.Agent, before.Agent)
	}
	switch held, former := heldThere(n), heldThere(was); {
	case held != nil && former == nil:
		b.seenBy(n, "HeldOnNode", held.Message, "nothing is changed on it")
	case held == nil && former != nil:
		b.seenBy(n, "ReleasedOnNode", "", "nothing holds it on the node any more")
	}
	b.witnessDisks(n, before.Disks, now.Disks)
}

// heldThere is the hold that was put on the node itself. One of ours, which it only repeats, is told already.
func heldThere(n *decide.Node) *api.Condition {
	for c := range n.Conditions() {
		if c.Type == api.ConditionHeld && strings.Contains(c.Message, "/etc/scaleio-agent/hold") {
			return &c
		}
	}
	return nil
}

// A node whose agent was just started says of its pool's disks that they are in use: its SDS has them open, and what the pool has it is told only then. For so long that is no
// news, and neither is that they are in the pool again.
const (
	reasonInUse = "InUse"
	recognised  = 5 * time.Minute
)

func (b *brain) witnessDisks(n *decide.Node, before, now []api.Disk) {
	was := map[string]api.Disk{}
	for _, d := range before {
		was[d.ID] = d
	}
	var adopted, refused []string
	since := b.unrecognised[n.ID]
	delete(b.unrecognised, n.ID)
	for _, d := range now {
		old := was[d.ID]
		first, waits := since[d.ID]
		if old.State == api.DiskAdopted {
			first, waits = b.state.Now, true
		}
		switch {
		case waits && d.State == api.DiskAdopted:
		case waits && d.State == api.DiskRefused && d.Reason == reasonInUse && b.state.Now.Sub(first) < recognised:
			if b.unrecognised[n.ID] == nil {
				b.unrecognised[n.ID] = map[string]time.Time{}
			}
			b.unrecognised[n.ID][d.ID] = first
		case d.State == api.DiskAdopted && old.State != api.DiskAdopted:
			adopted = append(adopted, fmt.Sprintf("%s (%.60s, %d GB)", d.ID, d.Path, d.SizeBytes/1_000_000_000))
		case d.State == api.DiskRefused && (waits || old.State != api.DiskRefused || old.Reason != d.Reason):
			refused = append(refused, fmt.Sprintf("%s (%.60s): %s", d.ID, d.Path, d.Reason))
		}
	}
	if len(adopted) > 0 {
		b.seenBy(n, "DiskAdopted", "it was proven empty, and claimed for the pool", "in the pool: %s", some(adopted))
	}
	if len(refused) > 0 {
		b.seenBy(n, "DiskRefused", "it isn't proven empty, or not meant to be given: it is never touched", "%s", some(refused))
	}
}

// claimed disks are the leader's word: the node may get ready to hand them over.
func (b *brain) claimed(owner *decide.Node, claims []api.DiskClaim) {
	var fresh []string
	for _, c := range claims {
		if !slices.ContainsFunc(owner.Claims, func(o api.DiskClaim) bool { return o.Disk == c.Disk }) {
			fresh = append(fresh, fmt.Sprintf("%s (%d GB)", c.Disk, c.SizeBytes/1_000_000_000))
		}
	}
	if len(fresh) > 0 {
		b.event(owner, "DiskClaimed", "the leader takes it for the pool: %s", some(fresh))
	}
}

func some(all []string) string {
	if rest := len(all) - maxInOneEvent; rest > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(all[:maxInOneEvent], ", "), rest)
	}
	return strings.Join(all, ", ")
}

// heed tells of nodes that aren't heard any more, and of their return.
func (b *brain) heed() {
	if b.state.Now.Sub(b.lookSilent) < heedEvery {
		return
	}
	b.lookSilent = b.state.Now
	for id, n := range b.state.Nodes {
		silent := b.state.Silent(n) > 0 && n.RemovalOf() != api.RemovalDone
		if silent == b.silent[id] {
			continue
		}
		if silent {
			b.silent[id] = true
			b.event(n, "NodeSilent", "it isn't heard since %s: its storage goes on if the machine does", n.SeenAt.UTC().Format(time.RFC3339))
			continue
		}
		delete(b.silent, id)
		b.event(n, "NodeHeardAgain", "it reports again")
	}
}

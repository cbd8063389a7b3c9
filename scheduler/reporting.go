package scheduler

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/server"
	"scaleio-framework/scheduler/store"
)

// pending is a report that waits for its answer; held ones wait until the answer would differ from the one that the node has seen.
type pending struct {
	ctx      context.Context
	node     string
	key      string // fingerprint of whose report it is
	seen     string
	until    time.Time
	received time.Time
	looked   bool // a look has seen it
	reply    chan reply
}

// reply is an answer, or why there is none.
type reply struct {
	api.Answer
	err error
}

// leaderHold is how long the lease holder's reports are held at most: each renews the lease.
const leaderHold = api.LeaderLeaseTTL / 3

// Report takes a node's word and answers what it should be.
func (b *brain) Report(ctx context.Context, c server.Caller, r api.Report) (api.Answer, error) {
	if err := checkReport(&r); err != nil {
		return api.Answer{}, err
	}
	raw, view, err := trim(&r)
	if err != nil {
		return api.Answer{}, err
	}
	b.metrics.reports.Inc()
	now := b.Now()
	p := &pending{ctx: ctx, node: c.Node, key: c.Fingerprint, seen: r.Seen, received: now, reply: make(chan reply, 1)}
	p.until = now.Add(min(time.Duration(max(r.WaitMS, 0))*time.Millisecond, api.LongPollLimit))
	e := &event{report: p, done: make(chan struct{}), apply: func() error { return b.heardFrom(c, now, &r, view, raw) }}
	if err := b.submit(ctx, e); err != nil {
		return api.Answer{}, err
	}
	select {
	case <-e.done:
		if e.err != nil {
			return api.Answer{}, e.err
		}
	case <-b.ended:
		return api.Answer{}, errStopped
	}
	select {
	case r := <-p.reply:
		return r.Answer, r.err
	case <-ctx.Done():
		return api.Answer{}, errStopped
	case <-b.ended:
		return api.Answer{}, errStopped
	}
}

// trim takes out of a report what changes without meaning, so that equal reports are equal bytes, and the leader's view, which is kept in
// memory only: the next leader brings its own.
func trim(r *api.Report) (raw []byte, view *api.ClusterView, err error) {
	view, r.Cluster = r.Cluster, nil
	kept := *r
	kept.Time, kept.UptimeMS, kept.Seen, kept.WaitMS, kept.Recalled = time.Time{}, 0, "", 0, nil
	kept.Disks = slices.Clone(r.Disks)
	for i := range kept.Disks {
		kept.Disks[i].PreparedAgeMS = 0
	}
	raw, err = json.Marshal(kept)
	if err == nil && len(raw) > store.MaxRecord {
		err = api.Errorf(api.CodeInvalid, "the report is larger than %d bytes", store.MaxRecord)
	}
	return raw, view, err
}

// heard applies a report. Ages in it count from when it came, not from when its turn came.
func (b *brain) heard(id string, received time.Time, r *api.Report, view *api.ClusterView, raw []byte) error {
	n := b.state.Nodes[id]
	if n == nil {
		return api.Errorf(api.CodeUnauthorized, "node %s isn't known", id)
	}
	if decide.Overtaken(n.Report, r) {
		return api.Errorf(api.CodeInvalid, "a later report of node %s was heard before this one", n.Name)
	}
	if r.Version.Cluster != "" && r.Version.Cluster != b.state.Cluster.ID {
		b.once(n, "ForeignCluster", "it belongs to cluster %s, so it isn't taken", r.Version.Cluster)
		return api.Errorf(api.CodeForbidden, "node %s belongs to cluster %s, not to this one", n.Name, r.Version.Cluster)
	}
	b.surpass(n, r.Version.Epoch)
	if ours := b.state.Version(n); ours.Before(r.Version) { // we store before we tell, so nobody can have heard more than we know
		b.doubtLedger()
		if c := &b.state.Cluster; r.Version.Epoch > c.Shown && r.Version.Epoch <= c.Epoch+decide.MaxJump {
			c.Shown = r.Version.Epoch
			b.touched[keyCluster] = true
		}
		b.once(n, "StoreIsOlder", "it follows orders (epoch %d, generation %d) that this scheduler doesn't know of (its own: %d, %d): its state was restored from "+
			"a backup? Start it once with --adopt", r.Version.Epoch, r.Version.Generation, ours.Epoch, ours.Generation)
		return api.Errorf(api.CodeForbidden, "node %s follows newer orders than this scheduler's store holds: was it restored? start it once with --adopt", n.Name)
	}
	before := *n
	b.words.lean(r)
	n.Keep(r)
	n.SeenAt = received
	n.Shows(r)
	b.witness(n, &before)
	if !r.Time.IsZero() {
		n.Skew = r.Time.Sub(b.state.Now).Round(time.Second)
	}
	b.raw[kindReport+id] = raw
	if n.Hostname != r.Node.Hostname && r.Node.Hostname != "" {
		n.Hostname = r.Node.Hostname
		b.touchNode(n)
	}
	if foreign := decide.Foreign(&b.state.Cluster, r); foreign != "" && decide.Foreign(&b.state.Cluster, before.Report) != foreign {
		b.event(n, "ForeignSystem", "its MDM belongs to ScaleIO system %s; ours is %s", foreign, b.state.Cluster.SystemID)
	}
	if claims := decide.Settled(&b.state, n); len(claims) != len(n.Claims) {
		n.Claims = claims
		b.touchNode(n)
	}
	if view != nil && b.state.Leads(n) {
		b.viewed(n, received, view)
	}
	return nil
}

// viewed takes what the leader sees, and the claims that it makes.
func (b *brain) viewed(n *decide.Node, received time.Time, view *api.ClusterView) {
	b.state.View = &decide.View{ClusterView: view, From: n.ID, At: received.Add(-time.Duration(view.AgeMS) * time.Millisecond)}
	b.state.Growing.Take(&b.state)
	claims, refused := decide.Claims(&b.state, view)
	for id, all := range claims {
		owner := b.state.Nodes[id]
		b.claimed(owner, all)
		owner.Claims = all
		b.touchNode(owner)
		b.stamp(owner) // what it said before it knew of the claim settles nothing
	}
	if text := strings.Join(refused, "; "); text != "" && text != b.refusedClaims {
		b.event(n, "ClaimRefused", "%s", text)
	}
	b.refusedClaims = strings.Join(refused, "; ")
}

// grant leases to the nodes that reported since the last look.
func (b *brain) grant() {
	before := b.state.Leases
	for _, p := range b.held {
		if p.looked {
			continue
		}
		n := b.state.Nodes[p.node]
		b.state.Leases = decide.Leader(&b.state, n)
		leases, why := decide.Disruption(&b.state, n)
		b.state.Leases = leases
		if why != "" {
			b.log.Debug("disruption refused", "node", n.Name, "reason", why)
		}
	}
	if holder := b.state.Nodes[b.state.Leases.Disruption]; holder != nil { // also by what the leader sees, or the time
		b.state.Leases, _ = decide.Disruption(&b.state, holder)
	}
	for _, p := range b.held { // a lease that came back, or a fresh view of the storage, goes to those who wait for it
		if b.state.Leases.Disruption == "" && p.ctx.Err() == nil {
			b.state.Leases, _ = decide.Disruption(&b.state, b.state.Nodes[p.node])
		}
	}
	now := b.state.Leases
	if now.Leader != before.Leader {
		b.touched[keyLeases] = true
		b.event(b.state.Nodes[now.Leader], "LeaderChanged", "%s", led(now.Leader))
	}
	b.touched[keyLeases] = b.touched[keyLeases] || now.For != before.For
	if now.Disruption != before.Disruption {
		b.touched[keyLeases] = true
		if now.Disruption != "" {
			b.event(b.state.Nodes[now.Disruption], "DisruptionGranted", "it may be interrupted%s; no other node may", decide.InterruptedFor(now.For))
		} else {
			b.event(b.state.Nodes[before.Disruption], "DisruptionEnded", "the lease is back%s", after(before.For))
		}
	}
	b.serve()
}

// hold a report until it is answered; an older one of the same node has lost its reader.
func (b *brain) hold(p *pending) {
	b.held = slices.DeleteFunc(b.held, func(old *pending) bool { return old.node == p.node })
	if n := b.state.Nodes[p.node]; b.state.Leases.Leader == n.ID {
		p.until = earlier(p.until, p.received.Add(leaderHold))
	}
	if until := b.state.Leases.LeaderUntil; decide.MayLeadSoon(&b.state, b.state.Nodes[p.node]) && b.state.Now.Before(until) {
		p.until = earlier(p.until, until) // its next report takes the lease
	}
	b.held = append(b.held, p)
}

// answers to the reports that are due: new ones, ones whose answer changed, ones whose time is up. The rest stay held, as far as there is room.
func (b *brain) answers() map[*pending]reply {
	due := map[*pending]reply{}
	var still []*pending
	for _, p := range b.held {
		if p.ctx.Err() != nil {
			continue
		}
		p.looked = true
		n := b.state.Nodes[p.node]
		if !speaksFor(n, p.key) { // it was revoked or released meanwhile
			due[p] = reply{err: revoked(n)}
			continue
		}
		answer := b.answer(n)
		if answer.ETag == p.seen && b.state.Now.Before(p.until) && len(still) < api.MaxLongPolls {
			still = append(still, p)
			continue
		}
		due[p] = reply{Answer: answer}
	}
	b.held = still
	for p, r := range due { // who is told to wait finds room when it comes back
		b.pace(p, &r.Answer, len(still)+len(due) <= api.MaxLongPolls)
		due[p] = r
	}
	return due
}

// answer for a node. Its spec gets a new generation here, stored in this turn, if the content changed.
func (b *brain) answer(n *decide.Node) api.Answer {
	spec := b.stamp(n)
	if n.Untold {
		n.Untold = false
		b.touchNode(n)
	}
	a := api.Answer{
		Spec: spec, Storage: decide.Storage(&b.state, n), Hold: b.state.Held(n), Secrets: b.secretsFor(n), Servers: b.Servers,
		NoLead: decide.NoLead(&b.state, n), Mesos: b.whereMesosIs(),
	}
	if b.state.Leads(n) {
		a.Leases = append(a.Leases, api.Lease{Name: api.LeaseLeader, TTLMS: api.LeaderLeaseTTL.Milliseconds()})
	}
	if decide.MayInterrupt(&b.state, n) {
		a.Leases = append(a.Leases, api.Lease{Name: api.LeaseDisruption})
	}
	if decide.MayReboot(&b.state, n) {
		a.Leases = append(a.Leases, api.Lease{Name: api.LeaseReboot})
	}
	if component := decide.MayUpgrade(&b.state, n); component != "" {
		a.Leases = append(a.Leases, api.Lease{Name: api.UpgradeLease(component)})
	}
	a.CA = b.toTrust(n.Report)
	a.ETag = decide.ETag(a, n.SpecHash)
	n.Told(a)
	return a
}

// stamp makes the spec of a node; its hash is the node's from then on.
func (b *brain) stamp(n *decide.Node) api.NodeSpec {
	spec := decide.Spec(&b.state, n)
	if hash := decide.Hash(spec); hash != n.SpecHash {
		n.Generation++
		n.SpecHash = hash
		spec.Version.Generation = n.Generation
		b.touchNode(n)
	}
	return spec
}

func (b *brain) secretsFor(n *decide.Node) (s api.Secrets) {
	needs := decide.SecretsFor(&b.state, n)
	if needs.Admin {
		s.Admin = b.AdminPassword
	}
	if needs.GatewayAdmin {
		s.GatewayAdmin = api.NewSecret(b.secrets.GatewayAdmin)
	}
	if needs.VolumeUser {
		s.VolumeUser = api.NewSecret(b.secrets.VolumeUser)
	}
	return s
}

// pace says when to report next. At rest rarely, with jitter, so that thousands don't come together; where something waits for the node, it
// keeps a request open, if there is room for it.
func (b *brain) pace(p *pending, a *api.Answer, room bool) {
	n := b.state.Nodes[p.node]
	switch awaited := decide.Awaited(&b.state, n); {
	case awaited && (room || b.state.Leads(n)):
		a.Wait = true
		a.PollMS = leaderHold.Milliseconds()
	case awaited:
		a.PollMS = jittered(10 * time.Second).Milliseconds()
	default:
		a.PollMS = jittered(api.RestPoll).Milliseconds()
	}
}

// jittered by a tenth to either side.
func jittered(d time.Duration) time.Duration { return d - d/10 + rand.N(d/5) }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// whereMesosIs is for a node that finds no scheduler where it was: a master knows where the framework's present one is.
func (b *brain) whereMesosIs() *api.MesosHint {
	if b.Masters == nil || b.framework.ID == "" {
		return nil
	}
	if masters := b.Masters(); len(masters) > 0 {
		return &api.MesosHint{Masters: masters, Framework: b.framework.ID}
	}
	return nil
}

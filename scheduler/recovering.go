package scheduler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/server"
	"scaleio-framework/scheduler/store"
	"scaleio-framework/scheduler/trust"
)

// quiet is how long nothing new must have been heard before a recovery ends: tasks are told one by one, and no leader's lease of the lost scheduler lasts longer.
const quiet = 2 * api.LeaderLeaseTTL

// recovery is a scheduler that lost its store and has only the cluster's keys. It listens until those that Mesos knows of have told what they remember; meanwhile it gives no
// orders and no leases, launches nothing and buys nothing. All of it is in memory: one that dies begins anew.
type recovery struct {
	evidence map[string]*decide.Evidence // by node
	tasks    map[string]*placement       // by Mesos agent: what runs of our framework
	without  map[string]bool             // nodes and Mesos agents that a person said to go on without
	news     time.Time                   // when something new was heard last
}

func newRecovery(now time.Time) *recovery {
	return &recovery{evidence: map[string]*decide.Evidence{}, tasks: map[string]*placement{}, without: map[string]bool{}, news: now}
}

var errRecovering = api.Errorf(api.CodeRecovering, "the scheduler lost its store and is being recovered: it gives no orders yet")

// Recover prepares an empty store for a recovery: of a backup, however old, it takes the keys and nothing else.
func Recover(ctx context.Context, s store.Store, keys store.Backup, framework string, now time.Time) (cluster string, err error) {
	if err := isEmpty(ctx, s); err != nil {
		return "", err
	}
	records := []store.Record{{Key: keyAuthority}, {Key: keySecrets}}
	for i, rec := range records {
		at := slices.IndexFunc(keys.Records, func(r store.Record) bool { return r.Key == rec.Key })
		if at < 0 {
			return "", fmt.Errorf("recovering: %w: it holds no %s", store.ErrBackup, rec.Key)
		}
		records[i].Value = keys.Records[at].Value
	}
	b := newBrain(Options{})
	if err := errors.Join(b.take(records[0]), b.take(records[1])); err != nil {
		return "", fmt.Errorf("recovering: %w", err)
	}
	c := decide.Cluster{ID: b.keys.Cluster, Epoch: 1, Recovering: now.UTC()}
	for key, v := range map[string]any{keyCluster: c, keyFramework: frameworkRecord{framework}} {
		records = append(records, store.Record{Key: key, Value: marshal(v)})
	}
	if _, _, err := offline(ctx, records, now); err != nil {
		return "", fmt.Errorf("recovering: %w", err)
	}
	return c.ID, store.Fill(ctx, s, records, keyCluster)
}

// listen begins a recovery that the store asks for.
func (b *brain) listen(ctx context.Context, now time.Time) error {
	b.recovery = newRecovery(now)
	if b.framework.ID != "" {
		return nil
	}
	known, err := b.knownFrameworks(ctx)
	if err != nil {
		return err
	}
	if len(known) > 1 {
		var ids []string
		for _, f := range known {
			ids = append(ids, f.ID)
		}
		return fmt.Errorf("%w: Mesos knows %d frameworks of the name %q (%s): say whose tasks the nodes have, with `recover --framework ID`", ErrRefused, len(known), b.Framework.Name, strings.Join(ids, ", "))
	}
	b.framework.ID = only(known)
	return nil
}

// testify takes what a node says while the scheduler is being recovered.
func (b *brain) testify(c server.Caller, received time.Time, r *api.Report) error {
	if r.Recalled == nil {
		return errRecovering
	}
	e, err := b.evidence(c, received, r)
	if err != nil {
		return err
	}
	if b.recovery.evidence[c.Node] == nil {
		b.recovery.news = b.state.Now
		b.log.Info("a node told what it remembers", "node", c.Node, "host", r.Node.Hostname)
	}
	b.recovery.evidence[c.Node] = e
	return errRecovering
}

func (b *brain) evidence(c server.Caller, received time.Time, r *api.Report) (*decide.Evidence, error) {
	e := &decide.Evidence{Key: c.Fingerprint, Report: r, Spec: r.Recalled.Spec, Hold: r.Recalled.Hold, At: received}
	r.Recalled = nil
	if s := e.Spec; s != nil && (s.Node != c.Node || s.Version.Cluster != b.state.Cluster.ID || len(s.Name) > decide.MaxName || len(marshal(s)) > store.MaxRecord) {
		return nil, api.Errorf(api.CodeForbidden, "what node %s remembers isn't of this node and cluster %s", c.Node, b.state.Cluster.ID)
	}
	return e, nil
}

// ran notes a task of which the store knows nothing.
func (b *brain) ran(u TaskUpdate) {
	if u.AgentID == "" {
		return
	}
	p := b.recovery.tasks[u.AgentID]
	switch {
	case u.State.Ended() && p != nil && p.TaskID == u.TaskID:
		delete(b.recovery.tasks, u.AgentID)
	case !u.State.Ended() && p == nil:
		b.recovery.tasks[u.AgentID] = &placement{AgentID: u.AgentID, TaskID: u.TaskID, State: u.State, Launched: b.state.Now.UTC()}
		b.recovery.news = b.state.Now
	case p != nil && p.TaskID == u.TaskID:
		p.State = u.State
	}
}

// Recover goes on without nodes or Mesos agents that a person names: they are off, or say what can't be.
func (b *brain) Recover(ctx context.Context, r api.RecoverRequest) error {
	if r.Author == "" || len(r.Author) > maxAuthor || len(r.Without) == 0 {
		return api.Errorf(api.CodeInvalid, "say who you are, and without which nodes the recovery goes on")
	}
	return b.do(ctx, func() error {
		if b.recovery == nil {
			return api.Errorf(api.CodeConflict, "the scheduler isn't being recovered")
		}
		for _, name := range r.Without {
			b.recovery.without[name] = true
		}
		b.log.Warn("the recovery goes on without nodes", "who", r.Author, "without", r.Without)
		return nil
	})
}

// recovered tries to end the recovery, and says in waiting what is missing.
func (b *brain) recovered() {
	heard := b.recovery.heard()
	out, err := decide.Recover(b.state.Cluster.ID, heard, b.state.Now)
	if err == nil {
		err = b.tooLarge(out)
	}
	missing := b.recovery.missing(heard, out.Cluster.MDMs)
	until := b.recovery.news.Add(quiet)
	if b.again = until; !b.state.Now.Before(until) {
		b.again = time.Time{} // time alone changes nothing any more
	}
	switch {
	case b.connection != nil:
		b.waiting = "recovery: the tasks that Mesos knows"
	case len(heard) == 0:
		b.waiting = "recovery: the first node to tell what it remembers"
	case err != nil:
		b.waiting = "recovery: a person: nodes remember different things; mend that, or go on without one (`recover-without NODE`): " + fit(err.Error(), maxMessage)
	case len(out.Cluster.MDMs) == 0: // new ones would make a second storage beside the one that is there
		b.waiting = fmt.Sprintf("recovery: a node that remembers which nodes have the MDMs, and more than half of those with a role (%d told): bring those back", len(heard))
	case len(missing) > 0:
		b.waiting = fmt.Sprintf("recovery: %d nodes told what they remember; missing: %s (bring them back, or go on without: `recover-without NAME`)", len(heard), someOf(missing))
	case b.state.Now.Before(until):
		b.waiting = fmt.Sprintf("recovery: all %d nodes told what they remember; waiting %s for more", len(heard), until.Sub(b.state.Now).Round(time.Second))
	default:
		b.begin(out)
	}
}

// tooLarge: what nodes say goes into records, and none may outgrow the store.
func (b *brain) tooLarge(out decide.Recovered) error {
	rollout, turns, _ := b.resumed(out)
	tried := map[string]bool{} // thousands were told the same
	for _, id := range slices.Sorted(maps.Keys(out.Told)) {
		version := rollout.Base
		if turn, own := turns[id]; own {
			version = turn.Version
		}
		if v, known := rollout.Versions[version]; known && !tried[version] && storable(v) != nil {
			return fmt.Errorf("what %s remembers of settings is larger than any", id)
		}
		tried[version] = true
	}
	if len(marshal(out.Cluster)) > store.MaxRecord {
		return errors.New("what they remember of the cluster is larger than any cluster's")
	}
	for id, n := range out.Nodes {
		if len(marshal(n)) > store.MaxRecord {
			return fmt.Errorf("what %s remembers is larger than any node's", id)
		}
	}
	for _, e := range out.Ledger {
		if len(marshal(e)) > store.MaxRecord {
			return fmt.Errorf("what they remember of expansion %s is larger than any", e.ID)
		}
	}
	return nil
}

func (r *recovery) heard() map[string]*decide.Evidence {
	all := map[string]*decide.Evidence{}
	for id, e := range r.evidence {
		named := e.Spec != nil && r.without[e.Spec.Name]
		if !named && !r.without[id] && !r.without[e.Report.Node.Hostname] {
			all[id] = e
		}
	}
	return all
}

// missing are MDMs that others name, and Mesos agents with a task of ours, of which nothing was heard.
func (r *recovery) missing(heard map[string]*decide.Evidence, mdms []api.MDM) (all []string) {
	placed := map[string]bool{}
	for _, e := range heard {
		placed[decide.RecalledAgent(e)] = true
	}
	for _, m := range mdms {
		if heard[m.Node] == nil && !r.without[m.Node] && !r.without[m.Name] {
			all = append(all, m.Name)
		}
	}
	for id := range r.tasks {
		if !placed[id] && !r.without[id] {
			all = append(all, "mesos-agent "+id)
		}
	}
	slices.Sort(all)
	return all
}

// resumed is the rollout as the nodes remember it.
func (b *brain) resumed(out decide.Recovered) (decide.Rollout, map[string]decide.Turn, []api.Event) {
	s := b.state
	s.Nodes = out.Nodes
	return decide.Resumed(&s, out.Told)
}

// begin with what the nodes remember, all of it stored at once.
func (b *brain) begin(out decide.Recovered) {
	since, hold := b.state.Cluster.Recovering, b.state.Cluster.Hold
	b.state.Cluster, b.state.Ledger = out.Cluster, out.Ledger
	if hold != nil { // that a person put on meanwhile
		b.state.Cluster.Hold = hold
	}
	b.sortLedger()
	b.state.Cluster.Recovered = since
	b.touched[keyCluster], b.touched[keyFramework], b.touched[keyLeases] = true, true, true
	for _, e := range out.Ledger {
		b.touched[kindExpansion+e.ID] = true
	}
	b.state.Nodes = out.Nodes
	for _, n := range out.Nodes {
		b.touchNode(n)
		if raw, _, err := trim(n.Report); err == nil { // it was, when it came
			b.raw[kindReport+n.ID] = raw
		}
		b.placed(n)
	}
	for id, p := range b.recovery.tasks {
		if b.agents[id] == nil {
			p.nobodys(b.state.Now)
			b.keep(p)
			b.touched[kindAgent+id] = true
		}
	}
	b.copyIsDue()
	b.state.Leases = decide.Leases{After: b.state.Now}
	if n := out.Nodes[out.Holder]; n != nil {
		b.state.Leases.Disruption, b.state.Leases.Boot = n.ID, n.Report.BootID
	}
	rollout, turns, events := b.resumed(out)
	b.rolled(decide.Rolling{Rollout: &rollout, Turns: turns, Events: events})
	b.recovery, b.waiting, b.again = nil, "", b.state.Now
	b.revive = b.state.Now
	for _, id := range slices.Sorted(maps.Keys(out.Doubts)) {
		b.event(out.Nodes[id], "RecoveryDoubt", "too few others remember what it does, and nothing came of it: %s", some(out.Doubts[id]))
	}
	b.event(nil, "Recovered", "from %d nodes, under epoch %d; what growth bought is checked before it buys again", len(out.Nodes), b.state.Cluster.Epoch)
}

// placed ties a node that remembers its Mesos agent to the task that runs there.
func (b *brain) placed(n *decide.Node) {
	var p *placement
	if b.recovery != nil {
		p = b.recovery.tasks[n.AgentID]
	}
	if p != nil {
		p.of(n)
		b.keep(p)
		b.touched[kindAgent+n.AgentID] = true
	}
	b.own(n, n.AgentID)
}

// late: a node that was off during the recovery shows a certificate from before it. It is taken with what it remembers, if that agrees with the rest.
func (b *brain) late(c server.Caller) bool {
	since := b.state.Cluster.Recovered
	return b.recovery == nil && !since.IsZero() && c.Certificate != nil && c.Certificate.NotBefore.Add(trust.Backdate).Before(since)
}

func (b *brain) latecomer(c server.Caller, received time.Time, r *api.Report) error {
	if r.Recalled == nil {
		return errRecovering
	}
	e, err := b.evidence(c, received, r)
	if err != nil {
		return err
	}
	n, err := decide.Latecomer(&b.state, c.Node, e)
	if err != nil {
		b.once(nil, "LatecomerRefused", "%s: %v", c.Node, err)
		return api.Errorf(api.CodeForbidden, "node %s isn't taken back: %v", c.Node, err)
	}
	b.state.Nodes[n.ID] = n
	b.own(n, n.AgentID)
	b.touchNode(n)
	b.event(n, "NodeRecovered", "it was off during the recovery, and is back with what it remembers")
	return nil
}

package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/trust"
)

// Bounds of the loop and of what it keeps.
const (
	maxBatch   = 512 // events that share one look and one commit
	maxMessage = 500
	patience   = 10 * time.Second // for an event's turn

	// A look is at all nodes and all reports that wait, so it takes longer the more there are. Looks get a tenth of the time: what comes meanwhile shares the next.
	lookShare  = 9 // times as long as a look took, none is
	lookWithin = time.Second
)

// A brain holds the one snapshot of the cluster. All changes come through its loop: apply the events that wait, decide, store, and only then
// answer. If the store fails, nobody was told anything; the process ends and starts again from what is stored.
type brain struct {
	Options
	records records
	keys    trust.Record // of authority, as it is stored
	ca      atomic.Pointer[trust.Authority]
	secrets secretsRecord
	metrics *metrics
	log     *slog.Logger

	inbox   chan *event
	ended   chan struct{} // closed when the loop is over
	copies  chan struct{} // a copy of the store is due
	stepped *Stepped      // whose calls are the loop; nil = a goroutine is

	mu            sync.RWMutex // the loop writes; status and the like read
	state         decide.State
	framework     frameworkRecord
	agents        map[string]*placement      // by Mesos agent
	owners        map[string]*decide.Node    // by Mesos agent: the node that its task placed
	tickets       map[string]string          // token digest -> Mesos agent
	enrolments    map[string]trust.Enrolment // by token digest
	tooSmall      map[string]string          // Mesos agents that were refused, and why
	journal       story                      // of all but growth
	story         story                      // of growth
	lastEvent     int64
	unrecognised  map[string]map[string]time.Time // by node: disks of the pool that it calls in use, and since when
	silent        map[string]bool                 // nodes that aren't heard, as far as people were told
	lookSilent    time.Time
	waiting       string
	master        string // "" while not subscribed
	refusedClaims string
	recovery      *recovery // nil = it knows its state
	inquiry       inquiry
	touched       map[string]bool
	raw           map[string][]byte // reports to store, marshalled by who brought them
	words         lexicon           // of all reports that are kept
	held          []*pending
	owed          bool      // something came that no look has seen
	look          time.Time // when the next look may be
	again         time.Time // when time alone may change a decision
	revive        time.Time // when Mesos has to offer us everything again
	connection    error
	lookTokens    time.Time            // when dead join tokens are looked for again
	asked         map[string]time.Time // tasks whose end was asked for, and when

	reports  map[string]*api.Report // while loading
	versions map[string]decide.NodeSettings
}

// event is one thing that happened. What apply returns goes to whoever brought it; what it changed stays.
type event struct {
	apply  func() error
	report *pending
	err    error
	done   chan struct{}
}

var errStopped = api.Errorf(api.CodeUnavailable, "the scheduler is stopping")

func newBrain(o Options) *brain {
	return &brain{
		Options: o, log: o.Log, records: records{store: o.Store, saved: map[string]saved{}}, metrics: newMetrics(),
		inbox: make(chan *event), ended: make(chan struct{}), copies: make(chan struct{}, 1),
		state:  decide.State{Settings: &o.Settings, Nodes: map[string]*decide.Node{}, Expected: map[string]decide.Expected{}, Growing: &decide.Growing{}},
		agents: map[string]*placement{}, owners: map[string]*decide.Node{}, tickets: map[string]string{}, enrolments: map[string]trust.Enrolment{}, tooSmall: map[string]string{},
		asked: map[string]time.Time{}, silent: map[string]bool{}, unrecognised: map[string]map[string]time.Time{}, inquiry: newInquiry(),
		touched: map[string]bool{}, raw: map[string][]byte{}, words: lexicon{}, reports: map[string]*api.Report{}, versions: map[string]decide.NodeSettings{},
		connection: errors.New("not subscribed yet"),
	}
}

// do has an event applied and stored.
func (b *brain) do(ctx context.Context, apply func() error) error {
	e := &event{apply: apply, done: make(chan struct{})}
	if err := b.submit(ctx, e); err != nil {
		return err
	}
	select {
	case <-e.done:
		return e.err
	case <-b.ended:
		return errStopped
	}
}

func (b *brain) submit(ctx context.Context, e *event) error {
	if b.stepped != nil {
		return b.stepped.turn(ctx, e)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case b.inbox <- e:
		return nil
	case <-b.ended:
		return errStopped
	case <-ctx.Done():
		return api.Errorf(api.CodeUnavailable, "the scheduler is busy")
	}
}

// loop until ctx ends or the store fails.
func (b *brain) loop(ctx context.Context) error {
	defer close(b.ended)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var batch []*event
		select {
		case <-ctx.Done():
			return nil
		case e := <-b.inbox:
			batch = b.collect(e)
		case <-timer.C:
		}
		next, err := b.turn(ctx, batch)
		if err != nil {
			return err
		}
		timer.Reset(next)
	}
}

func (b *brain) collect(first *event) []*event {
	batch := []*event{first}
	for len(batch) < maxBatch {
		select {
		case e := <-b.inbox:
			batch = append(batch, e)
		default:
			return batch
		}
	}
	return batch
}

// turn is one round: apply, decide, store, answer. What came since the last look is stored even while the next one has to wait.
func (b *brain) turn(ctx context.Context, batch []*event) (next time.Duration, err error) {
	b.mu.Lock()
	b.state.Now = b.Now()
	for _, e := range batch {
		if e.err = e.apply(); e.err == nil && e.report != nil {
			b.hold(e.report)
		}
	}
	b.owed = b.owed || len(batch) > 0
	var answers map[*pending]reply
	if begun := b.Now(); b.untilLook(begun) == 0 {
		b.owed = false
		b.think()
		b.grant()
		answers = b.answers()
		b.look = b.Now().Add(min(lookShare*b.Now().Sub(begun), lookWithin))
	}
	err = b.store(ctx)
	next = b.next()
	revive := !b.revive.IsZero() && !b.state.Now.Before(b.revive)
	if revive {
		b.revive = time.Time{}
	}
	stale, unsure := b.stale(), b.inquire()
	b.mu.Unlock()
	if err != nil {
		return 0, err
	}
	for _, e := range batch {
		close(e.done)
	}
	for p, answer := range answers {
		p.reply <- answer // buffered
	}
	if revive {
		b.reviveOffers(ctx)
	}
	b.restart(ctx, stale)
	b.ask(ctx, unsure)
	return next, nil
}

// think lets package decide look at the snapshot.
func (b *brain) think() {
	if b.recovery != nil {
		if b.recovered(); b.recovery != nil {
			return
		}
	}
	b.lapse()
	b.state.Nonce = uuid.NewString()
	cluster, out := decide.Decide(&b.state)
	if !reflect.DeepEqual(cluster, b.state.Cluster) {
		b.state.Cluster = cluster
		b.touched[keyCluster] = true
	}
	if out.Waiting != b.waiting && out.Waiting != "" {
		b.log.Info("waiting", "reason", out.Waiting)
	}
	b.waiting, b.state.Settling = out.Waiting, out.Settling
	b.again = time.Time{}
	if out.Again > 0 {
		b.again = b.state.Now.Add(out.Again)
	}
	for _, e := range out.Events {
		b.tell(e)
	}
	b.rolled(decide.Roll(&b.state))
	b.leave()
	b.heed()
	b.serveBySuccessor()
	b.grown(decide.Grow(&b.state))
}

// next says when to look again though nothing happened.
func (b *brain) next() time.Duration {
	soonest := b.state.Now.Add(time.Minute)
	lapse := b.state.Leases.LeaderUntil
	if !b.state.Now.Before(lapse) {
		lapse = time.Time{} // it has: everybody was told
	}
	for _, t := range []time.Time{b.again, b.revive, lapse} {
		if !t.IsZero() && t.Before(soonest) {
			soonest = t
		}
	}
	if len(b.inquiry.wanted) > 0 && b.inquiry.next.Before(soonest) {
		soonest = b.inquiry.next
	}
	for _, p := range b.held {
		if p.until.Before(soonest) {
			soonest = p.until
		}
	}
	now := b.Now()
	wait, look := soonest.Sub(now), b.untilLook(now)
	if b.owed || wait < look {
		wait = look
	}
	return max(wait, time.Millisecond)
}

// untilLook is for how long none may be.
func (b *brain) untilLook(now time.Time) time.Duration {
	left := b.look.Sub(now)
	if left > lookWithin { // the clock was set
		return 0
	}
	return max(left, 0)
}

// store what was touched.
func (b *brain) store(ctx context.Context) error {
	begun := time.Now()
	values := b.raw
	for key := range b.touched {
		v := b.record(key)
		if v == nil {
			values[key] = nil
			continue
		}
		value, err := json.Marshal(v)
		if err != nil {
			return fmt.Errorf("writing %s: %w", key, err)
		}
		values[key] = value
	}
	if len(values) == 0 {
		return b.ours()
	}
	err := b.records.commit(ctx, values)
	if err == nil && b.touched[keyAuthority] {
		err = b.entrusted()
	}
	clear(b.touched)
	clear(b.raw)
	b.metrics.commits.UpdateDuration(begun)
	if err == nil {
		err = b.ours()
	}
	return err
}

// ours fails once another scheduler may have the store: what was read from it may be old, and nobody is told what follows from that.
func (b *brain) ours() error {
	if b.Tenant == nil {
		return nil
	}
	return b.Tenant.Held()
}

// record gives the present value under a key; nil means that it is to be deleted.
func (b *brain) record(key string) any {
	switch key {
	case keyAuthority:
		return b.keys
	case keyCluster:
		return b.state.Cluster
	case keyFramework:
		return b.framework
	case keyLeases:
		return b.state.Leases
	case keyRollout:
		return b.state.Rollout
	}
	if id, ok := strings.CutPrefix(key, kindNode); ok && b.state.Nodes[id] != nil {
		return b.state.Nodes[id]
	}
	if id, ok := strings.CutPrefix(key, kindAgent); ok && b.agents[id] != nil {
		return b.agents[id]
	}
	if digest, ok := strings.CutPrefix(key, kindEnrolment); ok && b.enrolments[digest].Digest != "" {
		return b.enrolments[digest]
	}
	if version, ok := strings.CutPrefix(key, kindVersion); ok && has(b.state.Rollout, version) {
		if packed, err := pack(b.state.Rollout.Versions[version]); err == nil { // plain data into memory
			return packed
		}
	}
	if id, ok := strings.CutPrefix(key, kindExpansion); ok {
		return b.expansion(id)
	}
	if chapter, ok := strings.CutPrefix(key, kindStory); ok {
		return b.story.chapter(chapter)
	}
	if chapter, ok := strings.CutPrefix(key, kindEvents); ok {
		return b.journal.chapter(chapter)
	}
	return nil
}

func (b *brain) touchNode(n *decide.Node) { b.touched[kindNode+n.ID] = true }

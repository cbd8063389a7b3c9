package scheduler

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
	"scaleio-framework/scheduler/trust"
)

// Keys of the store. What stands before a slash is the kind, by which write points are named.
const (
	keyAuthority  = "authority"
	keyCluster    = "cluster"
	keyFramework  = "framework"
	keyLeases     = "leases"
	keyEvents     = "events" // of an earlier version: all of them in one record
	keySecrets    = "secrets"
	keyRollout    = "rollout"
	kindNode      = "nodes/"
	kindReport    = "reports/"
	kindAgent     = "agents/" // Mesos agents with our task on them
	kindEnrolment = "enrolments/"
	kindEvents    = "events/"
	kindStory     = "growth-events/" // apart from the others, so that nothing pushes them out
	kindExpansion = "expansions/"    // the ledger of what growth bought
	kindVersion   = "node-settings/" // what nodes were told, or are to be
)

// WritePoints lists where the store is written on the way to a Ready cluster, for tests that kill at each of them. The secrets are written with the authority, once and together:
// those two have one point before and one after.
func WritePoints() []string {
	return pointsOf(keyAuthority, keyCluster, keyFramework, keyLeases, kindEvents, kindNode, kindReport, kindAgent, kindEnrolment)
}

// GrowthPoints are those where it is written while a pool grows.
func GrowthPoints() []string { return pointsOf(kindExpansion, kindStory, kindNode, kindReport) }

func pointsOf(keys ...string) (points []string) {
	for _, key := range keys {
		kind := strings.TrimSuffix(key, "/")
		points = append(points, "before:"+kind, "after:"+kind)
	}
	return points
}

// SecretRecords are those with secrets in them: the CA's key and the passwords that were made here.
func SecretRecords() []string { return []string{keyAuthority, keySecrets} }

type frameworkRecord struct {
	ID string `json:"id"`
}

// secretsRecord holds the passwords that nobody has to know: they are made here and go only to the nodes that use them.
type secretsRecord struct {
	GatewayAdmin string `json:"gatewayAdmin"`
	VolumeUser   string `json:"volumeUser"`
}

// password that passes ScaleIO's rule: three of lower case, upper case, digits, special characters.
func password() string { return "Sf1-" + rand.Text() }

// saved is what is known of a stored record: enough to see a change and to swap it.
type saved struct {
	revision uint64
	sum      [32]byte
}

// records is the store as the brain writes it.
type records struct {
	store store.Store
	saved map[string]saved
}

// commit the values that differ from what is stored; nil deletes. All or nothing.
func (r *records) commit(ctx context.Context, values map[string][]byte) error {
	var changes []store.Change
	for key, value := range values {
		present, ok := r.saved[key]
		if value == nil && !ok || ok && value != nil && present.sum == sha256.Sum256(value) {
			continue
		}
		changes = append(changes, store.Change{Key: key, Value: value, Revision: present.revision})
	}
	if len(changes) == 0 {
		return nil
	}
	slices.SortFunc(changes, func(a, b store.Change) int { return strings.Compare(a.Key, b.Key) })
	if err := r.store.Commit(ctx, changes...); err != nil {
		return fmt.Errorf("storing what was decided: %w", err)
	}
	for _, c := range changes {
		if c.Value == nil {
			delete(r.saved, c.Key)
			continue
		}
		r.saved[c.Key] = saved{c.Revision + 1, sha256.Sum256(c.Value)}
	}
	return nil
}

// load everything. found is false only for a store that holds nothing at all.
func (b *brain) load(ctx context.Context) (found bool, err error) {
	all, err := b.records.store.List(ctx, "")
	if err != nil {
		return false, fmt.Errorf("reading the store: %w", err)
	}
	for _, rec := range all {
		b.records.saved[rec.Key] = saved{rec.Revision, sha256.Sum256(rec.Value)}
		if err := b.take(rec); err != nil {
			return true, fmt.Errorf("reading the store: %s: %w", rec.Key, err)
		}
	}
	if len(all) == 0 {
		return false, nil
	}
	if b.state.Cluster.ID == "" || b.keys.Cluster != b.state.Cluster.ID || b.secrets.VolumeUser == "" {
		return true, fmt.Errorf("reading the store: %w (the cluster's own records are missing or of another cluster)", store.ErrCorrupt)
	}
	for key := range b.reports {
		if n := b.state.Nodes[key]; n != nil {
			b.words.lean(b.reports[key])
			n.Keep(b.reports[key])
		}
	}
	b.reports = nil
	for _, n := range b.state.Nodes {
		b.own(n, n.AgentID)
	}
	b.sortLedger()
	if err := b.rememberRollout(); err != nil {
		return true, err
	}
	b.countEvents()
	return true, b.trust(b.keys)
}

func (b *brain) take(rec store.Record) error {
	switch {
	case rec.Key == keyAuthority:
		return json.Unmarshal(rec.Value, &b.keys)
	case rec.Key == keyCluster:
		err := json.Unmarshal(rec.Value, &b.state.Cluster)
		if c := &b.state.Cluster; c.Unchecked { // by this process's clock: the wall clock may have been set since, and a listing from before what was bought would count
			c.UncheckedSince = b.Now()
		}
		return err
	case rec.Key == keyFramework:
		return json.Unmarshal(rec.Value, &b.framework)
	case rec.Key == keyLeases:
		err := json.Unmarshal(rec.Value, &b.state.Leases)
		b.state.Leases.Since = past(b.Now(), b.state.Leases.Since)
		if m := b.state.Leases.Service; m != nil {
			m.Since = past(b.Now(), m.Since)
		}
		return err
	case rec.Key == keyRollout:
		return json.Unmarshal(rec.Value, &b.state.Rollout)
	case strings.HasPrefix(rec.Key, kindVersion):
		return b.recallVersion(rec)
	case rec.Key == keyEvents:
		return b.inherit(rec)
	case strings.HasPrefix(rec.Key, kindEvents):
		return b.journal.recall(rec, kindEvents)
	case strings.HasPrefix(rec.Key, kindStory):
		return b.story.recall(rec, kindStory)
	case strings.HasPrefix(rec.Key, kindExpansion):
		return b.recall(rec)
	case rec.Key == keySecrets:
		return json.Unmarshal(rec.Value, &b.secrets)
	case strings.HasPrefix(rec.Key, kindNode):
		var n decide.Node
		err := json.Unmarshal(rec.Value, &n)
		b.state.Nodes[n.ID] = &n
		return err
	case strings.HasPrefix(rec.Key, kindReport):
		var r api.Report
		err := json.Unmarshal(rec.Value, &r)
		b.reports[strings.TrimPrefix(rec.Key, kindReport)] = &r
		return err
	case strings.HasPrefix(rec.Key, kindAgent):
		var p placement
		err := json.Unmarshal(rec.Value, &p)
		p.resume(b.Now())
		b.keep(&p)
		return err
	case strings.HasPrefix(rec.Key, kindEnrolment):
		var e trust.Enrolment
		err := json.Unmarshal(rec.Value, &e)
		b.enrolments[strings.TrimPrefix(rec.Key, kindEnrolment)] = e
		return err
	}
	return errors.New("unknown kind of record: was the store written by a newer version?")
}

// past gives a time that was stored as this process counts: by its monotonic clock, and never after now. Somebody may have set the wall clock since, and what waits for a
// time that is a year away waits for nothing.
func past(now, stored time.Time) time.Time {
	if stored.IsZero() {
		return stored
	}
	return now.Add(-max(0, now.Sub(stored)))
}

// create the records of a new cluster, together: half a cluster is never found later.
func (b *brain) create(ctx context.Context, epoch int64, now time.Time) error {
	b.state.Cluster = decide.Cluster{ID: uuid.NewString(), Epoch: epoch}
	if epoch > 1 { // there was a cluster of this name before, and nobody knows what that bought
		b.state.Now = now
		b.doubtLedger()
	}
	b.secrets = secretsRecord{GatewayAdmin: password(), VolumeUser: password()}
	keys, err := trust.NewRecord(b.state.Cluster.ID, now)
	if err != nil {
		return err
	}
	if err := b.trust(keys); err != nil {
		return err
	}
	values := map[string][]byte{}
	for key, v := range map[string]any{keyAuthority: b.keys, keySecrets: b.secrets, keyCluster: b.state.Cluster, keyFramework: b.framework} {
		if values[key], err = json.Marshal(v); err != nil {
			return fmt.Errorf("writing %s: %w", key, err)
		}
	}
	return b.records.commit(ctx, values)
}

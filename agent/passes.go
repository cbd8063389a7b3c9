package agent

import (
	"context"
	"encoding/json"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"scaleio-framework/installer"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// passLimit bounds one walk over all steps, package installs included.
const passLimit = 20 * time.Minute

// unreadyEvery is the pace while a fact doesn't hold: things that no event announces (a daemon that opens its port) are seen by then.
const unreadyEvery = 2 * time.Second

// awaitedEvery is the pace while a disk that somebody waits for isn't fit to be given: what stands against it may go without any event.
const awaitedEvery = 10 * time.Second

// awaited: the contents of a disk weren't read yet, or a volume that was bought can't be given just now.
func awaited(o installer.Observation) bool {
	return slices.ContainsFunc(o.Disks, func(d api.Disk) bool {
		return d.State == api.DiskRefused && (d.Reason == installer.ReasonSettling ||
			slices.ContainsFunc(o.Orders, func(o api.OrderState) bool { return o.Stage == api.OrderPresent && o.Disk == d.ID }))
	})
}

// passes looks and acts until ctx ends.
func (a *Agent) passes(ctx context.Context) error {
	for {
		a.pulse.begin(passLimit + time.Minute)
		next := a.pass(ctx)
		a.pulse.rest(next + time.Minute)
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-a.wake:
			timer.Stop()
		case <-timer.C:
		}
		if restart, err := a.trustGateway(); err != nil {
			a.Log.Warn("keeping the gateway's certificate", "err", err)
		} else if restart {
			return ErrNewRoots
		}
		if restart, err := a.replacesItself(ctx); err != nil {
			a.Log.Warn("replacing the agent", "err", err)
		} else if restart {
			return ErrRestart
		}
	}
}

// glanceEvery is how soon a Ready node notices that its gateway is gone or its MDM became master.
const glanceEvery = 5 * time.Second

// glances wakes the main loop when something that others wait for looks different; at rest a whole pass comes only once a minute.
func (a *Agent) glances(ctx context.Context) error {
	tick := time.NewTicker(glanceEvery)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		in, ok := a.input()
		if !ok || !a.readiness().Ready {
			continue // passes follow each other closely as it is
		}
		seen := a.Steps.Glance(ctx, in)
		if seen != last { // the first one too: what it sees may have changed since the last pass
			signal(a.wake)
		}
		last = seen
	}
}

// pass walks the plan once and says when to look again.
func (a *Agent) pass(ctx context.Context) time.Duration {
	in, ok := a.input()
	if !ok {
		return a.PassEvery // not placed yet: link wakes us with the first spec
	}
	ctx, cancel := context.WithTimeout(ctx, passLimit)
	defer cancel()
	a.leases.PassBegins()
	plan, err := a.Steps.Plan(in)
	if err != nil {
		a.note(func(s *seen) { s.unsupp = err.Error() })
		a.Log.Error("refusing a spec that this version can't follow", "err", err, "gen", in.Spec.Version.Generation)
		return a.PassEvery
	}
	result := a.node.Pass(ctx, plan, in.Spec.Gates, in.Spec.Version.Generation)
	if ctx.Err() != nil {
		return unreadyEvery
	}
	if a.leases.PassEnded() {
		defer signal(a.tell) // others may wait for just that
	}
	if err := a.markBare(in.Spec, result); err != nil {
		a.Log.Warn("keeping that this node is bare", "err", err)
	}
	in, _ = a.input()
	begun := time.Now()
	observed := a.observe(ctx, in)
	a.note(func(s *seen) {
		s.observe(observed, begun)
		s.result, s.unsupp, s.passes = result, "", s.passes+1
	})
	switch {
	case result.Acted:
		return 0
	case result.RetryIn > 0:
		return min(result.RetryIn, unreadyEvery)
	case !result.Ready:
		return unreadyEvery
	case awaited(observed):
		return awaitedEvery
	}
	return jitter(a.PassEvery)
}

// markBare remembers that the order to take everything away was followed to its end. The scheduler forgets the node then and never takes the order back,
// but a person may use the machine for something else, another ScaleIO system too.
func (a *Agent) markBare(spec api.NodeSpec, result step.Result) error {
	if !spec.Remove || !result.Ready || !slices.ContainsFunc(result.Conditions, func(c api.Condition) bool { return c.Reason == installer.ReasonRemoved && c.Status == api.True }) {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept.Bare || a.kept.Spec == nil || !a.kept.Spec.Remove || a.kept.Spec.Version != spec.Version {
		return nil
	}
	keep := a.kept
	keep.Bare = true
	if err := keep.save(a.Files); err != nil {
		return err // the next pass tries again
	}
	a.kept = keep
	return nil
}

func (a *Agent) observe(ctx context.Context, in installer.Input) installer.Observation {
	observed := a.Steps.Observe(ctx, in)
	if mdm := observed.MDM; mdm != nil && mdm.Master && (in.Spec.SystemID == "" || in.Spec.SystemID == mdm.SystemID) {
		a.leases.Want(api.LeaseLeader)
	}
	return observed
}

// observes while a pass is busy: others wait for what an early step of it made true (an MDM that runs) and not for its last install.
func (a *Agent) observes(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.look:
		}
		if in, ok := a.input(); ok {
			begun := time.Now()
			observed := a.observe(ctx, in)
			a.note(func(s *seen) { s.observe(observed, begun) })
		}
	}
}

// progress lets people and scheduler see a long act while it runs.
func (a *Agent) progress(conditions []api.Condition) {
	signal(a.look)
	a.note(func(s *seen) {
		s.result.Conditions, s.result.Ready = conditions, false
		for _, c := range conditions {
			if c.Status != api.True {
				s.result.First = c.Type
				break
			}
		}
	})
}

// note changes what was seen and reports it if that makes a difference.
func (a *Agent) note(change func(*seen)) {
	a.mu.Lock()
	before := a.digest
	change(&a.seen)
	a.digest = a.seen.digest()
	changed := a.digest != before
	a.mu.Unlock()
	if changed {
		signal(a.tell)
	}
}

// observe takes what was seen, unless a look that began later was quicker.
func (s *seen) observe(o installer.Observation, begun time.Time) {
	if begun.Before(s.looked) {
		return
	}
	if o.DisksUnseen { // what was seen last stands, and nothing of it is verified any more
		o.Disks, o.Orders = append([]api.Disk(nil), s.observed.Disks...), s.observed.Orders
		for i := range o.Disks {
			if d := &o.Disks[i]; d.State == api.DiskPrepared {
				d.State, d.PreparedAgeMS, d.Message = api.DiskClaimed, 0, "claimed by the leader; couldn't be looked at just now"
			}
		}
	}
	s.observed, s.looked = o, begun
}

// digest of all that is worth a report of its own: not ages, not times. That a condition was looked at for a newer spec is: others wait for it.
func (s seen) digest() uint64 {
	type line struct {
		Type, Status, Reason string
		Generation           int64
	}
	var lines []line
	for _, set := range [][]api.Condition{s.result.Conditions, s.leading} {
		for _, c := range set {
			lines = append(lines, line{c.Type, string(c.Status), c.Reason, c.Generation})
		}
	}
	disks := append([]api.Disk(nil), s.observed.Disks...)
	for i := range disks {
		disks[i].PreparedAgeMS = 0
	}
	orders := append([]api.OrderState(nil), s.observed.Orders...)
	for i := range orders {
		orders[i].Message = ""
	}
	var view api.ClusterView
	if s.view != nil {
		view = *s.view
		view.AgeMS, view.Conditions = 0, nil
		if view.Pool != nil {
			pool := *view.Pool
			pool.InUseBytes, pool.FreeBytes, pool.RebuildBytes = 0, 0, 0
			view.Pool = &pool
		}
	}
	cloud := []any{s.cloud.view(), s.cloud.conditions()}
	h := fnv.New64a()
	// Encoding plain structs of strings and numbers can't fail.
	_ = json.NewEncoder(h).Encode([]any{lines, disks, orders, s.owned.volumes, s.owned.asked, cloud, view, s.result.Ready, s.unsupp, s.observed.MDM, s.observed.Gateway, s.passes == 0})
	return h.Sum64()
}

// trustGateway keeps the certificate of this node's own gateway where Go's TLS finds it at start; a changed one needs a new process, since the
// system's roots are loaded once (crypto/x509) and goscaleio takes no others.
func (a *Agent) trustGateway() (restart bool, err error) {
	a.mu.Lock()
	gateway := a.seen.observed.Gateway
	a.mu.Unlock()
	if gateway == nil || gateway.CertificatePEM == "" {
		return false, nil
	}
	old, readErr := a.Files.Read(GatewayFile)
	if readErr == nil && string(old) == gateway.CertificatePEM {
		return false, nil
	}
	return true, a.Files.Write(GatewayFile, []byte(gateway.CertificatePEM), os.FileMode(0o644))
}

// jitter keeps nodes that were started together apart: ±20 %.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration((rand.Float64()-0.5)*0.4*float64(d))
}

package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/server"
	"scaleio-framework/scheduler/store"
	"scaleio-framework/scheduler/trust"
)

// Resources that a task reserves.
type Resources struct{ CPUs, MemMB float64 }

// Options of a scheduler. Its parts are real ones or fakes; nothing is started before Run.
type Options struct {
	Settings      decide.Settings
	Store         store.Store
	Tenant        store.Tenant // nil = the store can't be lost while it is open
	Mesos         Mesos
	Framework     Framework // without its id, which is in the store
	Listener      net.Listener
	Servers       []string        // URLs for agents
	Masters       func() []string // of Mesos, as far as they are known: agents ask them where the scheduler is; nil = none
	People        *trust.People
	AdminPassword api.Secret
	AgentsMatch   map[string]string // attribute -> glob
	ReserveMDM    Resources
	ReserveData   Resources
	Artifacts     map[string]string // sha256 -> file
	CAFile        string            // where people find the CA certificate; "" = nowhere
	CopyFile      string            // where a copy of the store is kept, for when that is damaged; "" = nowhere
	Adopt         bool
	Now           func() time.Time // nil = time.Now
	Log           *slog.Logger
}

// ErrRefused: the store is empty though there was a scheduler before.
var ErrRefused = errors.New("refusing to start with an empty store")

var errDisconnected = errors.New("disconnected")

// Run until ctx ends (nil), the store fails, or Mesos has another scheduler in our place.
func Run(ctx context.Context, o Options) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	b := newBrain(o)
	err := b.prepare(ctx)
	if err == nil {
		err = b.configured(ctx)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if err := b.writeCA(); err != nil {
		return err
	}
	web := &server.Server{
		Cluster: b, Authority: b.authority, People: o.People, Hosts: hosts(o.Servers), Artifacts: b.Artifacts,
		Metrics: b.writeMetrics, Counted: b.metrics.request, Log: o.Log,
	}
	framework := o.Framework
	framework.ID = b.framework.ID
	b.log.Info("starting", "cluster", b.state.Cluster.ID, "epoch", b.state.Cluster.Epoch, "framework", framework.ID,
		"nodes", len(b.state.Nodes), "tasks", len(b.agents), "listen", o.Listener.Addr().String())

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return b.loop(ctx) })
	group.Go(func() error { return web.Serve(ctx, o.Listener) })
	group.Go(func() error { return b.keepCopies(ctx) })
	group.Go(func() error { return b.staysSmall(ctx) })
	if o.Tenant != nil {
		group.Go(func() error { return o.Tenant.Keep(ctx) })
	}
	group.Go(func() error {
		err := o.Mesos.Run(ctx, framework, b)
		switch {
		case errors.Is(err, ErrRemoved):
			err = removed(err)
		case err == nil && ctx.Err() == nil:
			err = errors.New("subscription ended")
		}
		return err
	})
	return group.Wait()
}

// prepare loads the store, or fills it if there never was a scheduler of our name.
func (b *brain) prepare(ctx context.Context) error {
	found, err := b.load(ctx)
	if err != nil {
		return err
	}
	now := b.Now()
	if found && !b.state.Cluster.Recovering.IsZero() {
		return b.listen(ctx, now)
	}
	b.state.Leases.After = now // whatever was interrupted before, a sample of ours is to show it whole
	if found && !b.Adopt {
		b.state.Leases.LeaderUntil = now.Add(api.LeaderLeaseTTL) // its holder may still count on it
		return nil
	}
	known, err := b.knownFrameworks(ctx)
	if err != nil {
		return err
	}
	switch {
	case found: // --adopt: on with what is stored, under a higher epoch
		b.state.Leases.LeaderUntil = now.Add(api.LeaderLeaseTTL)
		if !slices.ContainsFunc(known, func(f KnownFramework) bool { return f.ID == b.framework.ID }) {
			b.framework.ID = only(known)
		}
		b.state.Now = now
		b.raiseEpoch()
		b.doubtLedger()
		b.event(nil, "Adopted", "epoch %d, framework %q", b.state.Cluster.Epoch, b.framework.ID)
		b.touched[keyCluster], b.touched[keyFramework] = true, true
		return b.store(ctx)
	case len(known) > 0 && !b.Adopt:
		return fmt.Errorf("%w: Mesos knows framework %s of the name %q already, so there was a scheduler before. Start it where its state is, "+
			"restore a backup of the state directory, or take over with --adopt (nodes that belong to the old cluster will not be taken)",
			ErrRefused, known[0].ID, b.Framework.Name)
	case len(known) > 0:
		b.framework.ID = only(known)
		return b.create(ctx, 2, now)
	}
	return b.create(ctx, 1, now)
}

// only one framework can be taken over; with more, a new one is made.
func only(known []KnownFramework) string {
	if len(known) == 1 {
		return known[0].ID
	}
	return ""
}

// knownFrameworks asks until Mesos answers: not knowing is no permission.
func (b *brain) knownFrameworks(ctx context.Context) ([]KnownFramework, error) {
	pause := time.Second
	for {
		known, err := b.Mesos.Frameworks(ctx, b.Framework.Name, b.Framework.Principal)
		if err == nil {
			return known, nil
		}
		b.log.Warn("asking Mesos for frameworks of our name failed; an empty store can't be filled before it answers", "err", err, "again", pause)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
		pause = min(2*pause, 15*time.Second)
	}
}

// writeCA puts the CA's certificate where people find it. It is no secret.
func (b *brain) writeCA() error {
	if b.CAFile == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(b.CAFile), 0o700); err != nil {
		return fmt.Errorf("writing the CA certificate: %w", err)
	}
	part := b.CAFile + ".part"
	if err := os.WriteFile(part, []byte(b.authority().PEM()), 0o644); err != nil {
		return fmt.Errorf("writing the CA certificate: %w", err)
	}
	if err := os.Rename(part, b.CAFile); err != nil {
		return fmt.Errorf("writing the CA certificate: %w", err)
	}
	return nil
}

// hosts under which people and probes reach us besides the cluster's own name.
func hosts(servers []string) []string {
	all := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil {
		all = append(all, name)
	}
	for _, s := range servers {
		if u, err := url.Parse(s); err == nil && !slices.Contains(all, u.Hostname()) {
			all = append(all, u.Hostname())
		}
	}
	return all
}

package leader

import (
	"context"
	"fmt"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/api"
)

// freshFor is how long one look at the system serves all steps of a pass and the report after it. Every act ends it.
const freshFor = 2 * time.Second

// trustFor is how long a password that was seen to be right is taken to be so. A refusal ends it at once.
const trustFor = 10 * time.Minute

// seen is the last look; an error is kept as long as an answer, so that ten steps don't wait for the same dead gateway.
type seen struct {
	cluster sample[scaleio.Cluster]
	objects sample[scaleio.Objects]
}

type sample[T any] struct {
	at    time.Time // before it was asked for: its age
	until time.Time // counted from the answer: where answers take long, they aren't asked for all the more often
	value T
	err   error
}

func take[T any](ask func() (T, error)) sample[T] {
	at := time.Now()
	value, err := ask()
	return sample[T]{at, time.Now().Add(freshFor), value, err}
}

func (s sample[T]) fresh() bool { return time.Now().Before(s.until) }

// opened says for whom the gateway client was made.
type opened struct {
	systemID string
	password api.Secret
}

// trusted is a password that was seen to be right.
type trusted struct {
	password api.Secret
	until    time.Time
}

// forget what was seen: something was changed, or may have been.
func (l *Leader) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = seen{}
}

func (l *Leader) cluster(ctx context.Context) (scaleio.Cluster, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.seen.cluster
	if !s.fresh() {
		*s = take(func() (scaleio.Cluster, error) { return l.cli.QueryCluster(ctx, "") })
	}
	return s.value, s.err
}

// asMaster gives the cluster as its master sees it; anybody else's picture is nothing to act on.
func (l *Leader) asMaster(ctx context.Context, in Input) (scaleio.Cluster, error) {
	self, ok := in.self()
	if !ok {
		return scaleio.Cluster{}, blocked(ReasonNotMaster, "this node isn't among the chosen MDMs")
	}
	c, err := l.cluster(ctx)
	if kind := scaleio.KindOf(err); kind == scaleio.KindNoCluster || kind == scaleio.KindNotMaster {
		return c, waitFor(ReasonNotMaster, "%v", err)
	}
	if err != nil {
		return c, fmt.Errorf("asking this node's MDM for the cluster: %w", err)
	}
	if m, there := c.At(self.IPs...); !there || m.Place != scaleio.PlaceMaster {
		master, _ := c.Master()
		return c, waitFor(ReasonNotMaster, "the master is %q at %v, not this node", master.Name, master.IPs)
	}
	return c, nil
}

// system is the id that this node's MDM must belong to.
func (l *Leader) system(in Input) string {
	if in.Spec.SystemID != "" {
		return in.Spec.SystemID
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.systemID
}

// objectsSeen reads the gateway, if this node's MDM is the master.
func (l *Leader) objectsSeen(ctx context.Context, in Input) (scaleio.Objects, error) {
	if _, err := l.asMaster(ctx, in); err != nil {
		return scaleio.Objects{}, err
	}
	gateway, err := l.open(in)
	if err != nil {
		return scaleio.Objects{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.seen.objects
	if !s.fresh() {
		*s = take(func() (scaleio.Objects, error) { return gateway.Objects(ctx) })
		switch {
		case s.err == nil:
			l.trusted[scaleio.AdminUser] = trusted{in.Secrets.Admin, s.at.Add(trustFor)}
		case scaleio.KindOf(s.err) == scaleio.KindNotAuthenticated:
			delete(l.trusted, scaleio.AdminUser)
		}
	}
	if s.err != nil {
		return s.value, fmt.Errorf("asking this node's gateway for the objects: %w", s.err)
	}
	return s.value, nil
}

// open gives the one client that this process has for its gateway.
func (l *Leader) open(in Input) (Gateway, error) {
	if in.Secrets.Admin.Empty() {
		return nil, waitFor(ReasonNoSecret, "waits for the admin password: the scheduler sends it with the lease")
	}
	want := opened{l.system(in), in.Secrets.Admin}
	if want.systemID == "" {
		return nil, waitFor(api.ReasonWaitingForStep, "waits for the system's id")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gateway == nil || l.opened != want {
		gateway, err := l.gateways.Open(want.systemID, in.admin())
		if err != nil {
			return nil, fmt.Errorf("opening this node's gateway: %w", err)
		}
		l.gateway, l.opened = gateway, want
	}
	return l.gateway, nil
}

func (l *Leader) isTrusted(as scaleio.Credentials) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok := l.trusted[as.User]
	return ok && t.password == as.Password && time.Now().Before(t.until)
}

// wasRight says whether this password was right when last tried, however long ago.
func (l *Leader) wasRight(as scaleio.Credentials) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok := l.trusted[as.User]
	return ok && t.password == as.Password
}

func (l *Leader) trust(as scaleio.Credentials) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trusted[as.User] = trusted{as.Password, time.Now().Add(trustFor)}
}

func (l *Leader) distrust(user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.trusted, user)
}

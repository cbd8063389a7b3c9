package agent

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// Why a node hasn't joined: reasons of the condition NotJoined.
const (
	reasonNoConfiguration  = "NoConfiguration"  // nobody has said which cluster: `place` will, or Ignition has to
	reasonBadConfiguration = "BadConfiguration" // a person has to mend agent.yaml
	reasonNoToken          = "NoToken"
	reasonTokenRefused     = "TokenRefused"
	reasonUnreachable      = "Unreachable"
	reasonNoSpecYet        = "NoSpecYet"
	reasonNotItself        = "IdentityConflict" // the state here is another machine's: reporting by it would be speaking for that one
)

// Pace of looking for what lets the node join: local files are looked at often, the scheduler is asked with growing pauses.
const localLook = 2 * time.Second

// A Target is the scheduler that this node calls, and how it is told from others.
type Target struct {
	Cluster string
	Servers []string
	CA      *x509.CertPool
}

// unjoined is why the node hasn't joined, and since when.
type unjoined struct {
	reason string
	err    error
	since  time.Time
}

// joined gets the node a certificate, trying until it has one or ctx ends. Configuration and tokens are read anew each time: `place`, a person or
// another boot's Ignition may have brought them.
func (a *Agent) joined(ctx context.Context) (Target, error) {
	retry := firstRetry
	for {
		reason, to, err := a.tryJoin(ctx)
		if err == nil {
			a.unjoined("", nil)
			return to, nil
		}
		if ctx.Err() != nil {
			return Target{}, ctx.Err()
		}
		a.unjoined(reason, err)
		wait := localLook
		if reason == reasonTokenRefused || reason == reasonUnreachable {
			wait, retry = jitter(retry), min(2*retry, lastRetry)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return Target{}, ctx.Err()
		case <-timer.C:
		}
	}
}

func (a *Agent) tryJoin(ctx context.Context) (reason string, to Target, err error) {
	if why, is := a.notItself(); is {
		return reasonNotItself, to, errors.New(why)
	}
	if to, reason, err = a.target(); err != nil {
		return reason, to, err
	}
	_, err = a.keys.Certificate()
	if err == nil {
		return "", to, nil
	}
	why := err
	if reason, err = a.join(ctx, to); err != nil && !errors.Is(why, platform.ErrNotFound) {
		err = fmt.Errorf("%w: %w", why, err)
	}
	return reason, to, err
}

// target reads the configuration. A later one that is bad doesn't replace a good one: what was read before stands.
func (a *Agent) target() (to Target, reason string, err error) {
	config, err := loadConfig(a.Files)
	if err != nil {
		return to, reasonBadConfiguration, err
	}
	if config.empty() {
		return to, reasonNoConfiguration, fmt.Errorf("no cluster is known: the scheduler's Mesos task (place) writes %s, or Ignition does", ConfigFile)
	}
	if kept := a.spec(); kept != nil && kept.Version.Cluster != config.Cluster {
		return to, reasonBadConfiguration, fmt.Errorf("%s names cluster %s, this node belongs to %s", ConfigFile, config.Cluster, kept.Version.Cluster)
	}
	named, err := config.authorities(a.Files)
	if err != nil {
		return to, reasonBadConfiguration, err
	}
	a.mu.Lock()
	a.config, a.named = config, named
	pool := a.trustLocked()
	a.mu.Unlock()
	return Target{Cluster: config.Cluster, Servers: a.Servers(), CA: pool}, "", nil
}

// join with each token that there is: the one of a Mesos task first, then the enrolment token of agent.yaml.
func (a *Agent) join(ctx context.Context, to Target) (reason string, err error) {
	placed, err := a.placedToken()
	if err != nil {
		return reasonNoToken, err
	}
	if placed != "" {
		if reason, err = a.joinWith(ctx, to, placed); err == nil {
			return "", a.Files.Remove(TokenFile) // it has done its work
		}
	}
	a.mu.Lock()
	enrolment := a.config.Token
	a.mu.Unlock()
	if !enrolment.Empty() && enrolment.Reveal() != placed {
		var other error
		if reason, other = a.joinWith(ctx, to, enrolment.Reveal()); other == nil {
			return "", nil
		}
		err = errors.Join(err, other)
	}
	if err == nil && a.keys.joined() { // known by its key, if the scheduler hasn't forgotten it
		return a.joinWith(ctx, to, "")
	}
	if err == nil {
		return reasonNoToken, fmt.Errorf("no join token on this node: start the Mesos task (place), or put an enrolment token into %s", ConfigFile)
	}
	return reason, err
}

// placedToken is what the last `place` brought; "" while there is none.
func (a *Agent) placedToken() (string, error) {
	token, err := a.Files.Read(TokenFile)
	if errors.Is(err, platform.ErrNotFound) {
		return "", nil
	}
	return strings.TrimSpace(string(token)), err
}

func (a *Agent) joinWith(ctx context.Context, to Target, token string) (reason string, err error) {
	csr, err := a.keys.request(a.Identity.ID)
	if err != nil {
		return reasonUnreachable, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	answer, err := a.Join(ctx, to, api.JoinRequest{Token: token, Node: a.Identity, CSR: csr})
	var refused *api.Error
	switch {
	case errors.As(err, &refused) && refused.Code != api.CodeUnavailable && refused.Code != api.CodeTooMany:
		return reasonTokenRefused, fmt.Errorf("joining: %w", err)
	case err != nil:
		return reasonUnreachable, fmt.Errorf("joining: %w", err)
	case answer.Cluster != to.Cluster:
		return reasonBadConfiguration, fmt.Errorf("the scheduler is of cluster %s, this node is configured for %s (%s)", answer.Cluster, to.Cluster, ConfigFile)
	}
	if err := a.keys.keep(answer); err != nil {
		return reasonUnreachable, err
	}
	a.Log.Info("joined", "cluster", answer.Cluster, "node", a.Identity.ID)
	return "", nil
}

// showToken tells the scheduler which Mesos task this node belongs to, where the node had joined before that task adopted its daemon: the same key
// joins once more with the task's token. It stays this node whatever comes of that, and the token makes no other.
func (a *Agent) showToken(ctx context.Context, to Target) {
	token, err := a.placedToken()
	sum := sha256.Sum256([]byte(token))
	if err != nil || token == "" || a.shown == sum {
		return
	}
	a.shown = sum
	if _, err := a.joinWith(ctx, to, token); err != nil {
		a.Log.Info("the task's join token isn't taken; this node stays what it is", "err", err)
		return
	}
	if err := a.Files.Remove(TokenFile); err != nil {
		a.Log.Warn("removing a used join token", "err", err)
	}
}

// unjoined notes why the node waits; "" = it does no more.
func (a *Agent) unjoined(reason string, err error) {
	if err != nil {
		a.refusal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.waiting
	if reason == "" {
		a.waiting = unjoined{}
		return
	}
	since := before.since
	if before.reason != reason {
		since = time.Now()
		a.Log.Warn("this node hasn't joined", "reason", reason, "err", err)
	}
	a.waiting = unjoined{reason, err, since}
	if a.answer.away == nil {
		a.answer.awaySince = time.Now()
	}
	a.answer.away = fmt.Errorf("not joined: %w", err)
}

// connect with the node's own certificate.
func (a *Agent) connect(to Target) (Scheduler, error) {
	pair, err := a.keys.Certificate()
	if err != nil {
		return nil, err
	}
	return a.Connect(to, pair)
}

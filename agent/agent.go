package agent

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"scaleio-framework/installer"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/uevent"
	"scaleio-framework/scheduler/api"
)

// ErrRestart ends Run when the process itself has to begin anew; systemd starts it again.
var ErrRestart = errors.New("restarting to begin anew")

// ErrNewRoots is an ErrRestart of the same program, which needs no systemd: its RestartSec is 5 s, and the node that forms the cluster comes by here.
var ErrNewRoots = fmt.Errorf("%w, with another gateway's certificate", ErrRestart)

// Scheduler is how an agent calls: it is never called.
type Scheduler interface {
	Report(ctx context.Context, report api.Report) (api.Answer, error)
	Renew(ctx context.Context, request api.RenewRequest) (api.JoinAnswer, error)
}

// Steps are the node's: what should be true here, and what is seen.
type Steps interface {
	Plan(in installer.Input) (step.Plan, error)
	Observe(ctx context.Context, in installer.Input) installer.Observation
	Glance(ctx context.Context, in installer.Input) string
	DiskSeen(name string) (disk api.Disk, ok bool)
	DisksSettled(names []string)
}

// Options of an agent; every field but Cloud, Find, Knock, Reached, Owned, Replacer and DiskChanges is required.
type Options struct {
	Version   string
	Identity  api.Identity // AgentUUID is filled in by New
	Facts     Facts
	Files     installer.Files
	Steps     Steps
	Leader    Leader
	Connect   func(to Target, certificate tls.Certificate) (Scheduler, error) // a client over mTLS
	Join      func(ctx context.Context, to Target, request api.JoinRequest) (api.JoinAnswer, error)
	Find      func(ctx context.Context, hint api.MesosHint) (url string, err error) // where Mesos says that the scheduler is; nil = nobody is asked
	Knock     func(ctx context.Context, server string) error                        // whether somebody listens there; nil = nobody is asked
	Notify    func(state string)                                                    // sd_notify; harmless outside systemd
	Log       *slog.Logger
	Reached   func(point string) // fault injection
	Listen    string             // ":9780"
	Socket    string
	PassEvery time.Duration // between looks when nothing happens and the node is Ready

	// Cloud that this machine is an instance of; nil = none.
	Cloud Cloud

	// Owned lists the cluster's cloud volumes; nil = this agent never does.
	Owned func(ctx context.Context, in installer.Input) ([]api.OwnedVolume, error)

	// Replacer of this agent by another; nil = it stays what it is.
	Replacer *Replacer

	// DiskChanges tells of disks that come or go, until ctx ends; nil = only passes see it.
	DiskChanges func(ctx context.Context, told uevent.Told) error
}

// Facts are what reports carry and nothing changes.
type Facts struct {
	BootID string
	Uptime func() time.Duration // of the machine; nil = it isn't told
}

// An Agent is one node's daemon.
type Agent struct {
	Options
	brake  *brake
	leases *Leases
	keys   *Keys
	node   *step.Reconciler
	lead   *step.Reconciler

	wake     chan struct{} // orders changed: pass now
	leadWake chan struct{} // duties changed: lead now
	look     chan struct{} // a long pass goes on: observe meanwhile
	tell     chan struct{} // something to report changed: report now
	fetch    chan struct{} // another agent may be wanted: look now
	pulse    pulse
	mu       sync.Mutex
	news     chan struct{} // closed by the next answer
	kept     remembered
	config   Config              // as it was last good
	named    []*x509.Certificate // CAs that it names
	trusts   []string            // fingerprints of the CAs that are trusted now
	distrust bool                // others are trusted than the connection was made with
	waiting  unjoined
	seen     seen
	digest   uint64 // of what was seen, after the last note
	answer   received
	change   changing
	found    string    // where Mesos said that the scheduler is
	asked    time.Time // when it was asked

	shown [sha256.Size]byte // digest of the task's token that was shown last; link's own
}

// seen is the outcome of the last looks.
type seen struct {
	result   step.Result
	observed installer.Observation
	looked   time.Time // when the observation began: ages in it count from then
	passes   int
	unsupp   string // why the spec can't be followed
	view     *api.ClusterView
	viewAt   time.Time
	leading  []api.Condition
	owned    listed
	cloud    clouded
}

// received is the last answer, with when its report was sent.
type received struct {
	storage   *api.StorageView
	secrets   api.Secrets
	etag      string
	wait      bool
	renew     bool
	recall    bool // the scheduler lost its store
	poll      time.Duration
	at        time.Time // when the report was sent that it answers
	heard     time.Time // when it came
	away      error     // why the scheduler can't be reached now
	awaySince time.Time
	conflict  string
}

// New makes an agent; it starts nothing.
func New(o Options) (*Agent, error) {
	kept, err := remember(o.Files, o.Identity.ID, o.Log)
	if err != nil {
		return nil, err
	}
	a := &Agent{Options: o, leases: &Leases{}, wake: make(chan struct{}, 1), leadWake: make(chan struct{}, 1), look: make(chan struct{}, 1), tell: make(chan struct{}, 1), fetch: make(chan struct{}, 1), news: make(chan struct{}), kept: kept}
	a.Identity.AgentUUID = kept.AgentUUID
	if o.Cloud != nil {
		a.seen.cloud.known = o.Cloud.Known()
	}
	if kept.Node == "" {
		a.kept.Node = o.Identity.ID
		if err := a.kept.save(o.Files); err != nil {
			return nil, err
		}
	}
	a.keys = &Keys{files: o.Files}
	if config, err := loadConfig(o.Files); err == nil { // what is wrong with it joining says, and goes on saying
		a.config = config
	}
	a.brake = &brake{files: o.Files, hold: a.hold, now: time.Now, shown: a.answered, other: a.notItself}
	a.node = &step.Reconciler{Log: o.Log, Held: a.mayBegin, Guard: a.brake.guard, Reached: o.Reached, Changed: a.progress}
	a.lead = &step.Reconciler{Log: o.Log.With("duty", "leader"), Held: a.brake.Held, Guard: a.brake.guard, Reached: o.Reached}
	a.digest = a.seen.digest()
	if a.PassEvery == 0 {
		a.PassEvery = time.Minute
	}
	return a, nil
}

// Run serves until ctx ends.
func (a *Agent) Run(ctx context.Context) error {
	a.beginsChange(ctx)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.serve(ctx) })
	group.Go(func() error { return a.serveSocket(ctx) })
	group.Go(func() error { return a.passes(ctx) })
	group.Go(func() error { return a.glances(ctx) })
	group.Go(func() error { return a.observes(ctx) })
	group.Go(func() error { return a.diskChanges(ctx) })
	group.Go(func() error { return a.leads(ctx) })
	group.Go(func() error { return a.lists(ctx) })
	group.Go(func() error { return a.watchesCloud(ctx) })
	group.Go(func() error { return a.watchesSlots(ctx) })
	group.Go(func() error { return a.link(ctx) })
	group.Go(func() error { return a.fetchesAgent(ctx) })
	group.Go(func() error { return a.watchdog(ctx) })
	a.Notify("READY=1\nSTATUS=running")
	err := group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (a *Agent) hold() *api.Hold {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.kept.Hold
}

// answered is when the report was sent that the scheduler answered last.
func (a *Agent) answered() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.answer.at
}

func (a *Agent) spec() *api.NodeSpec {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.kept.Spec
}

// input is what the steps work from: the last accepted spec, and what the leader saw of this node, aged.
func (a *Agent) input() (installer.Input, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept.Spec == nil {
		return installer.Input{}, false
	}
	in := installer.Input{Spec: *a.kept.Spec, Secrets: a.answer.secrets, Leases: a.leases, Heard: a.answer.at}
	if a.answer.storage != nil {
		aged := *a.answer.storage
		aged.AgeMS += time.Since(a.answer.at).Milliseconds()
		in.Storage = &aged
	}
	return in, true
}

// LookNow asks for a pass at once: a person changed something and doesn't want to wait for the next one.
func (a *Agent) LookNow() { signal(a.wake) }

// Noticed: a step in the middle of its act changed something that is reported.
func (a *Agent) Noticed() { signal(a.look) }

// nextAnswer is closed when the scheduler answers again: rights and orders come that way alone, and who has none needs no clock to wait for them.
func (a *Agent) nextAnswer() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.news
}

// signal is a wake-up that never blocks and never piles up.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

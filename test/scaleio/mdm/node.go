package mdm

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"scaleio-framework/test/scaleio/mgmt"
)

// Node is one MDM process. Lock order: office.writing, then Node.mu. Nothing waits for the network with mu held.
type Node struct {
	opt  Options
	log  *slog.Logger
	repo repository

	certificate *mgmt.Certificate // shown of a manager; from Run on

	storing   sync.Mutex // the replica's file; before mu
	mu        sync.Mutex
	voter     *Voter    // nil: attached to no system
	follows   string    // the master whose beats arrive
	leaseEnd  time.Time // no vote for anyone else before: see bound
	standsAt  time.Time // no candidacy before
	picture   mgmt.Cluster
	office    *office // not nil while this node is master
	officeCtx context.Context
	wake      chan struct{} // campaign now
	sessions  sessions
	injector  injector
}

// New loads what the repository holds. It starts nothing.
func New(opt Options) (*Node, error) {
	opt = opt.withDefaults()
	n := &Node{opt: opt, log: opt.Log, repo: repository{opt.path(repositoryDir)}, wake: make(chan struct{}, 1)}
	n.sessions.length = opt.SessionLength
	n.injector.file = opt.path("etc/scaleio-standin/faults.json")
	if err := os.MkdirAll(n.repo.dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the repository: %w", err)
	}
	voter, err := n.repo.loadVoter()
	if err != nil {
		return nil, err
	}
	n.voter = voter
	// A lease granted just before the crash may still be running, and isn't remembered.
	n.leaseEnd = time.Now().Add(opt.Lease)
	return n, nil
}

// Run serves until ctx ends.
func (n *Node) Run(ctx context.Context) error {
	certificate, err := n.opt.ownCertificate()
	if err != nil {
		return err
	}
	n.certificate = n.opt.shown(certificate)
	listener, err := listen(ctx, n.opt.Listen, n.opt.ClusterPort)
	if err != nil {
		return fmt.Errorf("listening for the cluster: %w", err)
	}
	n.log.Info("stand-in mdm started", "manager", n.opt.isManager(), "attached", n.system())
	group, ctx := errgroup.WithContext(ctx)
	n.officeCtx = ctx
	server := &server{node: n, certificate: certificate}
	group.Go(func() error { return server.serve(ctx, listener, false) })
	group.Go(func() error { return n.campaigns(ctx, server, group) })
	return group.Wait()
}

func listen(ctx context.Context, host string, port int) (net.Listener, error) {
	config := net.ListenConfig{}
	return config.Listen(ctx, "tcp", mgmt.Address(hostOrAll(host), port))
}

func hostOrAll(host string) string {
	if host == "" {
		return "0.0.0.0"
	}
	return host
}

func (n *Node) system() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.voter == nil {
		return ""
	}
	return n.voter.Config.SystemID
}

// campaigns stands for election whenever no master has been heard for a lease.
func (n *Node) campaigns(ctx context.Context, s *server, group *errgroup.Group) error {
	for {
		if n.mayStand() {
			if o := n.campaign(ctx); o != nil {
				o.serve(ctx, s)
			}
		}
		// Different waits keep two candidates from splitting the votes for ever.
		pause := n.opt.Heartbeat/2 + rand.N(n.opt.Heartbeat)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-n.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// mayStand: a voting manager that holds every acknowledged change and follows nobody.
func (n *Node) mayStand() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.voter != nil && n.office == nil && n.opt.isManager() && n.voter.Config.isVoter(n.voter.Self) &&
		contains(n.voter.Replicas.InSync, n.voter.Self) && time.Now().After(n.standsAt) && !n.bound()
}

// bound tells whether a lease that this node granted still runs. Called with mu held.
func (n *Node) bound() bool {
	if !time.Now().Before(n.leaseEnd) {
		return false
	}
	if n.opt.NoLease == nil {
		return true
	}
	for _, id := range n.voter.Config.votingManagers() {
		m, _ := n.voter.Config.member(id)
		mayHold := n.follows == id || n.follows == "" && n.voter.Self != id // which one, isn't known after a restart
		if mayHold && !slices.ContainsFunc(m.IPs, n.opt.NoLease) {
			return true
		}
	}
	return false
}

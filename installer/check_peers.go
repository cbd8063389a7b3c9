package installer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/preflight"
	"scaleio-framework/scheduler/api"
)

const (
	probeAgain    = 5 * time.Second // a look that is older is taken anew
	reachedFor    = 2 * time.Minute // and the ports stay open for longer than that
	probeTogether = 6 * time.Second // nodes get their roles at one moment, and open their ports within this
)

// peerMemory is what the last try found. Another process tries anew.
type peerMemory struct {
	mu      sync.Mutex
	finding step.Finding
	at      time.Time
	gen     int64
}

// peersChecked is the fact that this node and those with an MDM reach each other on the product's ports, before anything is installed. For that each of these keeps its own
// ports open until all have reached all; the scheduler says when (Preflight.Done), since whoever installs first closes what the others still try.
type peersChecked struct{ *orders }

func checkPeers(o *orders) step.Step { return peersChecked{o} }

func (peersChecked) Name() string { return api.StepCheckPeers }

func (s peersChecked) Check(ctx context.Context) (step.Finding, error) {
	installed, err := s.installedBefore(ctx)
	switch {
	case err != nil:
		return step.Finding{}, err
	case installed != "":
		s.sys.Preflight.Part()
		return step.OK("%s is installed: not asked any more", installed), nil
	case s.Spec.Role == api.RoleUndecided:
		return step.Wait("WaitingForRoles", "which nodes carry the MDMs, and what this one does, isn't decided yet; nothing is installed before"), nil
	case s.Spec.Role.MDM() && s.Spec.Preflight.Done:
		s.sys.Preflight.Part()
		return step.OK("the nodes of all MDMs have reached each other"), nil
	}
	s.peers.mu.Lock()
	defer s.peers.mu.Unlock()
	age, found := s.sys.Clock().Sub(s.peers.at), s.peers.finding
	switch {
	case found.Verdict == step.Satisfied, found.Reason == api.ReasonPeersReached && age < reachedFor,
		found.Reason != "" && s.peers.gen == s.Spec.Version.Generation && age < probeAgain:
		return found, nil
	}
	return step.Need("PeersUnchecked", "whether this node reaches the others on the product's ports isn't known yet"), nil
}

// Apply opens the ports and tries the peers'. What it finds is for Check to say.
func (s peersChecked) Apply(ctx context.Context) error {
	finding, err := s.try(ctx)
	if err != nil {
		return err
	}
	s.peers.mu.Lock()
	defer s.peers.mu.Unlock()
	s.peers.finding, s.peers.at, s.peers.gen = finding, s.sys.Clock(), s.Spec.Version.Generation
	return nil
}

func (s peersChecked) try(ctx context.Context) (step.Finding, error) {
	peers := s.others()
	if s.Spec.Role.MDM() {
		err := s.sys.Preflight.Meet(portsOf(s.Spec.Role), addressesOf(peers))
		var taken *preflight.TakenError
		if errors.As(err, &taken) {
			return step.Block("PortTaken", "%v, and the product needs it: stop that program, or have the MDMs elsewhere (Mesos attribute scaleio-role); nothing was installed", taken), nil
		}
		if err != nil {
			return step.Finding{}, err
		}
	}
	var worst step.Finding
	until(ctx, probeTogether, func() bool {
		worst = s.probe(ctx, peers)
		return worst.Reason != reasonNobodyThere
	})
	switch {
	case worst.Reason == reasonNobodyThere:
		worst.Reason = "PortUnreachable"
		fallthrough
	case worst.Reason != "":
		return worst, nil
	case s.Spec.Role.MDM():
		return step.Wait(api.ReasonPeersReached, "reaches the nodes of all MDMs; waits until they all do, then installs"), nil
	}
	return step.OK("reaches the nodes of all MDMs"), nil
}

// reasonNobodyThere: the peer answers that nobody listens. Its agent may open the port in a moment.
const reasonNobodyThere = "NobodyThere"

// probe all peers at once, and give the first thing that is wrong in their order; the zero finding if nothing is.
func (s peersChecked) probe(ctx context.Context, peers []api.MDM) step.Finding {
	var group errgroup.Group
	var targets []*target
	for _, m := range peers {
		for _, ip := range m.IPs {
			for _, port := range s.wanted(m.Role) {
				t := &target{name: m.Name, addr: net.JoinHostPort(ip, strconv.Itoa(port))}
				targets = append(targets, t)
				group.Go(func() error {
					t.err = s.sys.Preflight.Probe(ctx, t.addr, []byte(s.Spec.Version.Cluster+s.Spec.Node), s.Spec.Preflight.Done || !s.Spec.Role.MDM())
					return nil
				})
			}
		}
	}
	_ = group.Wait() // what was found is in the targets
	var nobody step.Finding
	down := s.mayBeDown(peers, targets)
	for _, t := range targets {
		switch f := t.finding(s.Spec.Preflight.Done); {
		case f.Reason == "", f.Reason == "PortUnreachable" && down:
		case f.Reason == reasonNobodyThere:
			nobody = cmp.Or(nobody, f)
		default:
			return f
		}
	}
	return nobody
}

// mayBeDown: a node that comes when the cluster runs and gets through to all of one manager may begin, though another MDM's host doesn't answer: a dead host must not
// keep away the capacity that its data needs.
func (s peersChecked) mayBeDown(peers []api.MDM, targets []*target) bool {
	return s.Spec.Preflight.Done && !s.Spec.Role.MDM() && slices.ContainsFunc(peers, func(m api.MDM) bool {
		return m.Role == api.RoleManager && !slices.ContainsFunc(targets, func(t *target) bool { return t.name == m.Name && t.finding(true).Reason != "" })
	})
}

type target struct {
	name, addr string
	err        error
}

func (t *target) finding(done bool) step.Finding {
	to := fmt.Sprintf("%s of %s", t.addr, t.name)
	switch {
	case t.err == nil, done && errors.Is(t.err, preflight.ErrRefused): // it answers: whether its daemon runs is its own affair
		return step.Finding{}
	case errors.Is(t.err, preflight.ErrRefused):
		return step.Wait(reasonNobodyThere, "%s: nobody listens there: its agent has yet to open it, or a firewall refuses; nothing was installed", to)
	case errors.Is(t.err, preflight.ErrMTU):
		return step.Wait("MTUTooSmall", "%s: %v: set the same MTU on both ends and on everything between; nothing was installed", to, t.err)
	case errors.Is(t.err, preflight.ErrStranger):
		return step.Wait("PortForeign", "%s: %v; nothing was installed", to, t.err)
	}
	return step.Wait("PortUnreachable", "%s: %v: open TCP %d, %d, %d and %d between all nodes; nothing was installed", to, t.err,
		scaleio.PortMDMManagement, scaleio.PortMDMCluster, scaleio.PortSDS, scaleio.PortGateway)
}

// others are the nodes with an MDM, but this one.
func (s peersChecked) others() []api.MDM {
	var all []api.MDM
	for _, m := range s.Spec.MDMs {
		if m.Node != s.Spec.Node {
			all = append(all, m)
		}
	}
	return all
}

// portsOf a node with an MDM.
func portsOf(r api.Role) []int {
	ports := []int{scaleio.PortMDMManagement, scaleio.PortMDMCluster, scaleio.PortSDS}
	if r == api.RoleManager {
		ports = append(ports, scaleio.PortGateway)
	}
	return ports
}

// wanted ports of a peer: MDMs talk to each other on 9011 alone.
func (s peersChecked) wanted(peer api.Role) []int {
	ports := portsOf(peer)
	if !s.Spec.Role.MDM() {
		ports = append(ports[:1:1], ports[2:]...)
	}
	return ports
}

func addressesOf(peers []api.MDM) (all []netip.Addr) {
	for _, m := range peers {
		for _, ip := range m.IPs {
			if addr, err := netip.ParseAddr(ip); err == nil {
				all = append(all, addr)
			}
		}
	}
	return all
}

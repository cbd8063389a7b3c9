package faults_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"scaleio-framework/agent"
	"scaleio-framework/agent/leader"
	"scaleio-framework/installer"
	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/trust"
)

// node is a machine. Its agent is the real one's parts that decide: steps, leader, what is kept of orders; of the rest of a node it reports that all is well after a while.
type node struct {
	w                     *world
	name, id, ip, zone    string
	machine               *installertest.Node
	fingerprint, csr      string
	instance              *instance
	disks                 []*drive
	off                   time.Time // without power until then
	mdmDown, gatewayDown  bool
	installed             map[string]time.Time // component: when it is there
	placed                bool
	token, cluster, cert  string
	shown                 *x509.Certificate // the same
	era                   int               // of the scheduler whose orders it has
	seen                  *api.NodeSpec     // was looked at by the invariants
	situated              bool              // it was told its failure domain
	spread                bool              // and that fault sets are decided
	recall                bool              // the scheduler asked what it remembers
	deaf                  bool              // the scheduler can't be reached
	full, damaged         bool              // its disk; its state file
	ahead                 time.Duration
	dead, frozen, waiting bool // process: ended, stopped, in a call that hangs
	starts, next          time.Time
	kept                  kept

	steps  *installer.Installer
	rec    *step.Reconciler
	acts   *step.Reconciler
	lead   *leader.Leader
	answer api.Answer // of this process
	sent   time.Time  // its report
	spec   *api.NodeSpec
	conds  []api.Condition
	view   *api.ClusterView
	viewAt time.Time
	owned  []api.OwnedVolume
	listed time.Time
	wish   string
	restart
	witnessed
	passed   string // what the last pass knew
	passedAt time.Time
}

// kept is what the agent has on disk of its orders.
type kept struct {
	Spec *api.NodeSpec
	Hold *api.Hold
}

// drive is a disk of the node, as the world knows it.
type drive struct {
	id, path string
	size     int64
	foreign  time.Time // since when it holds what isn't ours; zero = it is empty
	taken    bool      // by the pool
}

// A key for each node serves all worlds: making them takes longer than a world.
var keys = sync.OnceValue(func() (all []identity) {
	for range 9 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
		must(err)
		csr := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
		request, err := trust.ParseRequest(csr)
		must(err)
		all = append(all, identity{csr, trust.Fingerprint(request.RawSubjectPublicKeyInfo)})
	}
	return all
})

type identity struct{ csr, fingerprint string }

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func newNode(w *world, i, zone int) *node {
	n := &node{w: w, name: fmt.Sprintf("n%d", i), id: fmt.Sprintf("i-%017x", i), ip: fmt.Sprintf("10.0.0.%d", 10+i), zone: "us-east-1" + string(rune('a'+zone-1)), installed: map[string]time.Time{}}
	n.csr, n.fingerprint = keys()[i].csr, keys()[i].fingerprint
	n.instance, n.leases = &instance{w.cloud, n}, &agent.Leases{}
	n.machine = w.product.NewNode(n.name, n.ip)
	n.machine.Files.Hook, n.machine.Disks.Hook, n.machine.Reboots.Hook = n.touches, n.touches, n.power
	n.machine.Reboots.Down = func() { n.goesDown(w.between(time.Second, 20*time.Second)) }
	n.plug("wwn-"+n.name, "/dev/sdb", diskBytes, "scsi")
	n.plug("theirs-"+n.name, "/dev/sdc", diskBytes, "scsi")
	n.spoil(n.disks[1])
	w.mesos.add(n)
	n.dead = true
	return n
}

func (w *world) at(ip string) *node {
	for _, n := range w.nodes {
		if n.ip == ip {
			return n
		}
	}
	return nil
}

func (n *node) plug(id, path string, size int64, transport string) {
	n.disks = append(n.disks, &drive{id: id, path: path, size: size})
	n.machine.Disks.Attach(block.Disk{ID: id, Path: path, SizeBytes: size, Type: block.TypeDisk, Transport: transport, Serial: strings.Replace(id, "-", "", 1)})
}

func (n *node) unplug(d *drive) {
	n.disks = slices.DeleteFunc(n.disks, func(o *drive) bool { return o == d })
	n.machine.Disks.Detach(d.path)
}

// spoil: somebody puts a filesystem on a disk.
func (n *node) spoil(d *drive) {
	d.foreign = time.Now()
	if n.w.plan.mutant.blind && d == n.disks[0] {
		return
	}
	n.machine.Disks.Refuse(d.path, block.Refusal{Reason: block.ReasonHasSignature, Message: "ext4"})
}

// taken: the SDS opens a disk and writes to it.
func (n *node) taken(d scaleio.NewDevice) (int64, error) {
	for _, disk := range n.disks {
		if disk.path != d.Path {
			continue
		}
		if scaleio.DeviceName(disk.id) != d.Name {
			n.w.broken("%s: disk %s is taken for %s", n.name, disk.id, d.Name)
		}
		if !disk.foreign.IsZero() && time.Since(disk.foreign) > api.PreparedTTL {
			n.w.broken("%s: disk %s isn't ours since %s, and is taken", n.name, disk.id, time.Since(disk.foreign))
		}
		disk.taken, n.w.known.used[disk.id] = true, true
		n.machine.Disks.Refuse(d.Path, block.Refusal{Reason: block.ReasonInUse, Message: "the SDS has it open"})
		return disk.size, nil
	}
	return 0, refused("The device could not be found")
}

func (n *node) powered() bool { return !time.Now().Before(n.off) }

// has a component: its package takes a while.
func (n *node) has(component string) bool {
	at, begun := n.installed[component]
	return begun && !time.Now().Before(at)
}

func (n *node) install(component string, takes time.Duration) bool {
	if _, begun := n.installed[component]; !begun {
		n.installed[component] = time.Now().Add(takes)
	}
	return n.has(component)
}

// place is what the Mesos task does: the daemon is there from then on, whatever becomes of the task.
func (n *node) place(token, cluster string) {
	n.token = token
	if n.cluster == "" {
		n.cluster = cluster
	}
	if !n.placed {
		n.placed, n.starts = true, time.Now()
	}
}

// touches: what changes the machine, or what a handover rests on.
func (n *node) touches(call string, effect func() error) error {
	if n.dead {
		return errDied
	}
	if strings.HasPrefix(call, "write ") && n.full {
		return errFull
	}
	changes := strings.HasPrefix(call, "write ") || strings.HasPrefix(call, "remove ")
	if !changes && !strings.HasPrefix(call, "inspect-disk ") {
		return effect()
	}
	switch n.w.fate(n.name, call) {
	case diesBefore:
		n.die(short(call))
		return errDied
	case diesAfter:
		_ = effect()
		n.die(short(call))
		return errDied
	case fails:
		return errors.New("input/output error")
	case freezes:
		err := effect()
		n.w.pause(n)
		return err
	}
	return effect()
}

// die: the process ends, and systemd starts it again.
func (n *node) die(why string) {
	if n.dead {
		return
	}
	n.w.note("the agent of %s dies: %s", n.name, why)
	n.dead, n.frozen = true, false
	n.starts = time.Now().Add(n.w.between(time.Second, n.w.plan.away/2))
}

// lose the power, and come back.
func (n *node) lose(d time.Duration) {
	n.die("no power")
	n.w.note("%s is off for %s", n.name, d)
	n.off = time.Now().Add(d)
	n.starts = n.off.Add(5 * time.Second)
	n.boots()
}

func (n *node) clock() time.Time { return clock(n.ahead) }

// begin a new process from what is on disk.
func (n *node) begin() {
	if n.damaged {
		n.starts = time.Now().Add(5 * time.Second)
		return
	}
	n.dead, n.frozen = false, false
	n.w.note("the agent of %s begins", n.name)
	if n.w.plan.mutant.forgetful {
		for file := range n.machine.Files.Tree("/var/lib/scaleio-agent/intents") {
			n.machine.Files.Delete(file)
		}
	}
	log := n.w.log.With("node", n.name)
	system := n.machine.System()
	system.Cloud = n.instance
	system.Clock = n.clock
	options := n.machine.Options()
	reach := tools{n.w.storage, n}
	options.Log, options.CLI = log, reach
	n.steps = installer.New(system, options)
	held := func() (string, bool) {
		if n.kept.Hold != nil {
			return n.kept.Hold.Author, true
		}
		return "", false
	}
	n.rec, n.acts = &step.Reconciler{Log: log, Held: held}, &step.Reconciler{Log: log, Held: held}
	n.lead = leader.New(reach, reach, log)
	n.recall, n.leases = false, &agent.Leases{}
	n.answer, n.view, n.conds, n.owned, n.listed, n.wish, n.next, n.passedAt = api.Answer{}, nil, nil, nil, time.Time{}, "", time.Time{}, time.Time{}
	if n.spec = nil; n.kept.Spec != nil {
		spec := *n.kept.Spec
		spec.Cluster, spec.Formation = nil, nil
		n.spec = &spec
	}
}

// turn is one round of everything that an agent does.
func (n *node) turn() {
	if !n.powered() || n.frozen || !n.placed {
		return
	}
	if n.dead {
		if !time.Now().Before(n.starts) {
			n.begin()
		}
		return
	}
	if time.Now().Before(n.next) {
		return
	}
	n.exchange()
	if n.dead || n.frozen || n.waiting || n.spec == nil {
		return
	}
	if n.passed != n.answer.ETag || n.stirs() || time.Since(n.passedAt) > 15*time.Second {
		n.pass(n.w.ctx)
	}
	if !n.dead {
		n.leadOnce(n.w.ctx)
	}
}

// stirs: something isn't as it should be, so that it is looked at again soon.
func (n *node) stirs() bool {
	return slices.ContainsFunc(n.conds, func(c api.Condition) bool { return c.Status != api.True })
}

func (n *node) input() installer.Input {
	in := installer.Input{Leases: rights{n.leases, n}, Heard: n.clock().Add(-time.Since(n.sent))}
	if n.spec != nil {
		in.Spec = *n.spec
	}
	if n.answer.ETag == "" { // this process heard nothing yet
		in.Heard = time.Time{}
	}
	if n.answer.Storage != nil {
		aged := *n.answer.Storage
		aged.AgeMS += time.Since(n.sent).Milliseconds()
		in.Storage = &aged
	}
	return in
}

// left of the leader's lease, on this node's monotonic clock.
func (n *node) left() time.Duration {
	for _, l := range n.answer.Leases {
		if l.Name == api.LeaseLeader {
			return time.Duration(l.TTLMS)*time.Millisecond - time.Since(n.sent)
		}
	}
	return 0
}

func (n *node) leads() bool { return !n.dead && n.left() > 0 }

// ours are the steps that are followed here; the others are taken as done.
var ours = []string{"form-cluster", "buy-volumes", "hand-over-disks"}

func (n *node) pass(ctx context.Context) {
	n.passed, n.passedAt = n.answer.ETag, time.Now()
	plan, err := n.steps.Plan(n.input())
	if err != nil {
		n.w.broken("%s can't follow its spec: %v", n.name, err)
		return
	}
	plan = slices.DeleteFunc(plan, func(i step.Item) bool { return !n.follows(i.Step.Name()) })
	if !n.has("mdm") {
		plan = slices.DeleteFunc(plan, func(i step.Item) bool { return i.Step.Name() == "form-cluster" })
	}
	n.leases.PassBegins()
	n.conds = n.rec.Pass(ctx, plan, n.spec.Gates, n.spec.Version.Generation).Conditions
	n.leases.PassEnded()
}

func (n *node) leadOnce(ctx context.Context) {
	if !n.leads() || n.spec.Cluster == nil {
		n.view = nil
		return
	}
	in, _ := n.duty()
	if view, err := n.lead.View(ctx, in); err == nil {
		n.view, n.viewAt = view, time.Now().Add(-time.Duration(view.AgeMS)*time.Millisecond)
	}
	n.acts.Pass(ctx, n.lead.Plan(in), n.spec.Gates, n.spec.Version.Generation)
	if g := n.spec.Growth; g != nil && !n.dead && (n.wish != g.Listing || time.Since(n.listed) > 10*time.Minute) {
		n.wish = g.Listing
		at := time.Now()
		if n.w.plan.mutant.unlisted {
			n.owned, n.listed = nil, at
		} else if owned, err := n.steps.OwnedVolumes(ctx, n.input()); err == nil {
			n.owned, n.listed = owned, at
		}
	}
}

// duty is what the leader works from now.
func (n *node) duty() (leader.Input, bool) {
	if n.spec == nil || n.spec.Cluster == nil || !n.leads() {
		return leader.Input{Spec: *n.spec}, false
	}
	return leader.Input{Spec: *n.spec, Secrets: n.answer.Secrets, Received: n.sent, Latest: n.duty, Guard: func(_ context.Context, need time.Duration) error {
		if n.dead || n.left() <= need && !n.w.plan.mutant.unguarded {
			return errDied
		}
		return nil
	}}, true
}

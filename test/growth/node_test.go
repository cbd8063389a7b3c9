package growth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer"
	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/platform/aws"
	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
	cloud "scaleio-framework/test/aws"
)

const diskBytes = 120 << 30

// node is a machine with the agent's real parts: its steps, its leader, its client of EC2. Of the rest of a node it reports that all is well.
type node struct {
	site     *site
	name     string
	id       string // identity
	ip       string
	machine  *installertest.Node
	instance cloud.Instance
	key      *ecdsa.PrivateKey
	root     string // real files: the credentials

	spec    *api.NodeSpec // kept on disk
	cert    string        // PEM
	http    *http.Client
	through *pipes
	plugged map[string]cloud.Volume
	deaf    bool // the scheduler can't be reached
	cloud   *instance
	blind   bool // what is attached shows no device
	steps   *installer.Installer
	rec     *step.Reconciler
	lead    *leader.Leader
	acts    *step.Reconciler

	answer api.Answer // of this process
	sent   time.Time  // its report
	view   *api.ClusterView
	viewAt time.Time
	owned  []api.OwnedVolume
	listed time.Time
	wish   string
}

func newNode(s *site, i, zone int) *node { return newNodeOf(s, i, zone, "m5.large") }

func newNodeOf(s *site, i, zone int, instanceType string) *node {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	n := &node{site: s, name: fmt.Sprintf("n%d", i), ip: fmt.Sprintf("10.0.%d.%d", i/200, 10+i%200), key: key, root: s.t.TempDir()}
	n.instance = s.ec2.AddInstance(cloud.InstanceSpec{Zone: "us-east-1" + string(rune('a'+zone-1)), Address: n.ip, Type: instanceType})
	n.id = n.instance.ID
	keys, err := s.ec2.Credentials(n.instance.ID)
	must(err)
	n.writeKeys("keys", keys)
	n.writeKeys("cleanup", s.cleaner)
	n.machine = s.product.NewNode(n.name, n.ip)
	n.machine.Files.Hook = n.touches
	n.machine.Disks.Hook = n.touches
	n.machine.Disks.Attach(block.Disk{ID: "wwn-" + n.name, Path: "/dev/sdb", SizeBytes: diskBytes, Type: block.TypeDisk, Transport: "scsi", Serial: "S"})
	n.begin()
	return n
}

func (n *node) writeKeys(name string, c cloud.Credentials) {
	text := fmt.Sprintf("aws_access_key_id = %s\naws_secret_access_key = %s\n", c.AccessKey, c.Secret)
	if c.Token != "" {
		text += "aws_session_token = " + c.Token + "\n"
	}
	must(os.WriteFile(filepath.Join(n.root, name), []byte(text), 0o600))
}

// touches: what changes the machine, or what a handover rests on, is a gap.
func (n *node) touches(call string, effect func() error) error {
	for _, verb := range []string{"write ", "remove ", "inspect-disk "} {
		if strings.HasPrefix(call, verb) {
			return n.site.gaps.pass(n.name, call, effect)
		}
	}
	return n.site.gaps.alive(n.name, effect)
}

// begin a new process.
func (n *node) begin() {
	n.site.gaps.revive(n.name)
	log := n.site.log.With("node", n.name)
	system := n.machine.System()
	n.cloud = &instance{node: n, clients: map[aws.Access]*aws.EC2{}}
	system.Cloud = n.cloud
	options := n.machine.Options()
	options.Log = log
	n.steps = installer.New(system, options)
	n.rec = &step.Reconciler{Log: log}
	n.acts = &step.Reconciler{Log: log}
	reach := asNode{n.site.storage, n.name}
	n.lead = leader.New(reach, reach, log)
	n.answer, n.view, n.owned, n.listed, n.wish = api.Answer{}, nil, nil, time.Time{}, ""
}

// instance is how the steps reach EC2: the product's own client, its requests handed to the stand-in.
type instance struct {
	node    *node
	clients map[aws.Access]*aws.EC2
}

func (i *instance) Instance(context.Context) (string, error) { return i.node.instance.ID, nil }

func (i *instance) Volumes(by aws.Access) (installer.Volumes, error) {
	if i.clients[by] == nil {
		in := i.node.instance
		i.clients[by] = aws.NewEC2(aws.EC2Options{Access: by, Files: platform.NewFiles(platform.Root(i.node.root)), HTTP: i,
			Self: func(context.Context) (aws.Instance, error) {
				return aws.Instance{ID: in.ID, Type: in.Type, Region: i.node.site.ec2.Region(), Zone: in.Zone}, nil
			}})
	}
	return i.clients[by], nil
}

// Do sends one request to EC2: a gap. A lost answer looks like a connection that broke.
func (i *instance) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.Body != http.NoBody {
		defer r.Body.Close()
	}
	action := "request"
	if form, err := peek(r); err == nil {
		action = form
	}
	var response *http.Response
	err := i.node.site.gaps.pass(i.node.name, "EC2 "+action, func() error {
		w := httptest.NewRecorder()
		r.Host = r.URL.Host
		i.node.site.ec2.ServeHTTP(w, r)
		response = w.Result()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return response, nil
}

// report what the node is.
func (n *node) report() api.Report {
	in := n.input()
	seen := n.steps.Observe(n.site.t.Context(), in)
	r := api.Report{Node: api.Identity{ID: n.id, AgentUUID: "uuid-" + n.name, Hostname: n.name}, Version: in.Spec.Version, Agent: "test", Time: time.Now(), BootID: "boot",
		Platform: api.Platform{OS: "ubuntu22.04", Kernel: "5.15", Arch: "amd64", Supported: true}, Addresses: []string{n.ip}, Disks: seen.Disks, Intents: seen.Intents,
		Orders: seen.Orders, Seen: n.answer.ETag, Cloud: n.cloudView()}
	role := in.Spec.Role
	for _, name := range n.well(role, in.Spec) {
		r.Conditions = append(r.Conditions, api.Condition{Type: name, Status: api.True, Reason: api.ReasonSatisfied, Generation: in.Spec.Version.Generation})
	}
	r.Ready = role != api.RoleUndecided
	if role.MDM() {
		r.MDM = n.site.storage.mdm(n.ip)
		if r.MDM.Master {
			r.Wants = []api.LeaseName{api.LeaseLeader}
		}
	}
	if role == api.RoleManager && slices.Contains(in.Spec.Gates, api.GateClusterFormed) {
		r.Gateway = &api.Gateway{Node: n.id, Address: n.ip + ":443", CertificatePEM: "certificate of " + n.name}
	}
	if n.view != nil && n.leads() {
		view := *n.view
		view.AgeMS = time.Since(n.viewAt).Milliseconds()
		if !n.listed.IsZero() {
			view.Owned = &api.OwnedVolumes{Volumes: n.owned, AgeMS: time.Since(n.listed).Milliseconds()}
		}
		r.Cluster = &view
	}
	return r
}

// well: the steps that this test takes as done.
func (n *node) well(role api.Role, spec api.NodeSpec) []string {
	var steps []string
	if role != api.RoleUndecided {
		steps = append(steps, "run-sds", "connect-sdc", "serve-storage", "run-volume-driver")
	}
	if role.MDM() && slices.Contains(spec.Gates, api.GateRolesDecided) {
		steps = append(steps, "run-mdm")
	}
	if spec.Formation != nil && n.site.storage.mdm(n.ip).InCluster {
		steps = append(steps, "form-cluster")
	}
	if role == api.RoleManager && slices.Contains(spec.Gates, api.GateClusterFormed) {
		steps = append(steps, "install-gateway", "trust-mdms")
	}
	return steps
}

func (n *node) cloudView() *api.CloudView {
	seen := n.site.attached.Seen(n.instance.ID)
	return &api.CloudView{Provider: "aws", InstanceID: n.instance.ID, InstanceType: n.instance.Type, Region: n.site.ec2.Region(), Zone: n.instance.Zone, Verified: true,
		SlotsMax: 27, SlotsUsed: 1 + len(seen), Attached: append(slices.Sorted(maps.Keys(seen)), "vol-root")}
}

func (n *node) input() installer.Input {
	in := installer.Input{Leases: n.machine.Leases, Heard: n.sent}
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

// leads: the lease is there and lasts.
func (n *node) leads() bool {
	for _, l := range n.answer.Leases {
		if l.Name == api.LeaseLeader {
			return time.Since(n.sent) < time.Duration(l.TTLMS)*time.Millisecond
		}
	}
	return false
}

// turn is one round of everything that an agent does.
func (n *node) turn(ctx context.Context) {
	if n.site.gaps.isDead(n.name) {
		n.begin()
	}
	sent := time.Now()
	report := n.report()
	var answer api.Answer
	err := n.site.gaps.pass(n.name, "report", func() (err error) {
		if n.deaf {
			return errLost
		}
		answer, err = n.call(ctx, report)
		return err
	})
	if n.site.gaps.isDead(n.name) {
		return
	}
	if err == nil {
		n.obey(answer, sent)
	}
	if n.spec == nil || n.answer.Hold != nil {
		return
	}
	n.pass(ctx)
	n.leadOnce(ctx)
}

func (n *node) obey(a api.Answer, sent time.Time) {
	if n.spec != nil && a.Spec.Version.Before(n.spec.Version) {
		n.site.t.Errorf("%s was given an older spec", n.name)
		return
	}
	n.spec, n.answer, n.sent = &a.Spec, a, sent
	if f := a.Spec.Formation; f != nil && n.site.storage.mdm(n.ip).SystemID == "" {
		n.site.storage.form(a.Spec)
	}
}

// pass over the steps that an expansion needs.
func (n *node) pass(ctx context.Context) {
	plan, err := n.steps.Plan(n.input())
	if err != nil {
		n.site.t.Errorf("%s can't follow its spec: %v", n.name, err)
		return
	}
	plan = slices.DeleteFunc(plan, func(i step.Item) bool { return i.Step.Name() != "buy-volumes" && i.Step.Name() != "hand-over-disks" })
	n.rec.Pass(ctx, plan, n.spec.Gates, n.spec.Version.Generation)
}

func (n *node) leadOnce(ctx context.Context) {
	if !n.leads() || n.spec.Cluster == nil {
		n.view = nil
		return
	}
	in := leader.Input{Spec: *n.spec, Secrets: n.answer.Secrets, Received: n.sent, Guard: func(_ context.Context, need time.Duration) error {
		if !n.leads() || n.site.gaps.isDead(n.name) {
			return errDied
		}
		return nil
	}}
	n.acts.Pass(ctx, n.lead.Plan(in), n.spec.Gates, n.spec.Version.Generation)
	if view, err := n.lead.View(ctx, in); err == nil {
		n.view, n.viewAt = view, time.Now().Add(-time.Duration(view.AgeMS)*time.Millisecond)
	}
	if g := n.spec.Growth; g != nil && (n.wish != g.Listing || time.Since(n.listed) > 10*time.Minute) {
		n.wish = g.Listing
		at := time.Now()
		if owned, err := n.steps.OwnedVolumes(ctx, n.input()); err == nil {
			n.owned, n.listed = owned, at
		}
	}
}

// csr for the node's key.
func (n *node) csr() string {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, n.key)
	must(err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

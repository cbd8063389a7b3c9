package scheduler_test

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
	"scaleio-framework/scheduler/trust"
)

// scaleio is the ScaleIO system as the fake nodes make it. It keeps state, and counts what must happen once.
type scaleio struct {
	mu      sync.Mutex
	id      string
	formed  int
	nonces  []string
	mode    string
	master  string // node id
	sdss    map[string]*api.SDSView
	twice   []string // objects that were added a second time
	devices map[string]string
	used    int64           // of the pool
	stuck   bool            // data that is to move doesn't
	sdcs    map[string]bool // by address: its driver is loaded

	upgraded []string                   // node and component, in the order in which it was done
	volumes  map[string]api.OwnedVolume // EC2's, by client token
}

func newScaleIO() *scaleio {
	return &scaleio{sdss: map[string]*api.SDSView{}, devices: map[string]string{}, sdcs: map[string]bool{}, volumes: map[string]api.OwnedVolume{}}
}

func (w *scaleio) form(node, nonce string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.id != "" && slices.Contains(w.nonces, nonce) {
		return // the same intent: looked, and went on
	}
	w.formed++
	w.nonces = append(w.nonces, nonce)
	w.id, w.master = fmt.Sprintf("%016x", w.formed), node
}

func (w *scaleio) mdm(node string, role api.Role) *api.MDMView {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := &api.MDMView{Installed: true}
	if w.id != "" && (w.mode == "3_node" && role.MDM() || w.master == node) {
		v.InCluster, v.SystemID, v.Master = true, w.id, w.master == node
	}
	return v
}

// lead does the leader's duties and says what it sees.
func (w *scaleio) lead(spec *api.ClusterSpec) *api.ClusterView {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mode = "3_node"
	view := &api.ClusterView{SystemID: w.id, Mode: w.mode, State: "Normal", PoolReady: spec.StoragePool != "" && len(spec.Gateways) == 2, FaultSets: spec.FaultSets}
	for _, sds := range spec.SDSs {
		if w.sdss[sds.Name] == nil {
			w.sdss[sds.Name] = &api.SDSView{ID: "sds-" + sds.Name, Name: sds.Name, IPs: sds.IPs, FaultSet: sds.FaultSet, Connection: "Connected", Membership: "Joined"}
		}
	}
	for _, d := range spec.Disks {
		view.Claims = append(view.Claims, api.DiskRef{Node: d.Node, Disk: d.Disk})
		if d.State != api.DiskPrepared || d.PreparedAgeMS > api.PreparedTTL.Milliseconds() {
			continue
		}
		if sds := w.sdss[d.SDSName]; sds != nil && w.devices[d.Disk] == "" {
			w.devices[d.Disk] = d.SDSName
			sds.Devices = append(sds.Devices, api.DeviceView{ID: "dev-" + d.Disk, Path: d.Path, SizeBytes: d.SizeBytes, State: "Normal"})
		} else if sds != nil && w.devices[d.Disk] != d.SDSName {
			w.twice = append(w.twice, d.Disk)
		}
	}
	for _, l := range spec.Leaving {
		w.takeOut(l)
	}
	if s := spec.Service; s != nil && w.sdss[s.Name] != nil && w.sdss[s.Name].InMaint == s.Leave {
		w.sdss[s.Name].InMaint = !s.Leave
		w.upgraded = append(w.upgraded, map[bool]string{true: "leave ", false: "enter "}[s.Leave]+s.Name)
	}
	view.Pool = w.pool(spec.SparePercent)
	for _, ip := range sortedKeys(w.sdcs) {
		view.SDCs = append(view.SDCs, api.SDCView{ID: "sdc-" + ip, GUID: "guid-" + ip, IP: ip, Connected: w.sdcs[ip]})
	}
	for _, name := range sortedKeys(w.sdss) {
		sds := *w.sdss[name]
		sds.Devices = slices.Clone(sds.Devices)
		view.SDSs = append(view.SDSs, sds)
	}
	return view
}

// members of the MDM cluster, after the part of the master went where it is to go.
func (w *scaleio) members(mdms []api.MDM, handOver string) (all []api.MDMMember) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range mdms {
		if m.Name == handOver {
			w.master = m.Node
			w.upgraded = append(w.upgraded, "master is "+m.Name)
		}
	}
	for _, m := range mdms {
		role := "slave"
		switch {
		case m.Node == w.master:
			role = "master"
		case m.Role == api.RoleTieBreaker:
			role = "tie-breaker"
		}
		all = append(all, api.MDMMember{Name: m.Name, Role: role, Status: "Normal"})
	}
	return all
}

// upgrade a component of a node.
func (w *scaleio) upgrade(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.upgraded = append(w.upgraded, what)
}

func (w *scaleio) upgrades() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.upgraded)
}

func (w *scaleio) pool(spare int) *api.PoolView {
	p := &api.PoolView{InUseBytes: w.used, SparePercent: spare}
	for _, sds := range w.sdss {
		for _, d := range sds.Devices {
			p.RawBytes += d.SizeBytes
		}
	}
	p.SpareBytes = p.RawBytes / 100 * int64(spare)
	p.FreeBytes = max(0, p.RawBytes-p.SpareBytes-p.InUseBytes)
	return p
}

// create a volume: once for each client token.
func (w *scaleio) create(token, node string, o api.VolumeOrder) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.volumes[token].VolumeID == "" {
		w.volumes[token] = api.OwnedVolume{VolumeID: fmt.Sprintf("vol-%08d", len(w.volumes)+1), Node: node, Expansion: o.Expansion, Order: fmt.Sprintf("%d.%d", o.Index, o.Attempt),
			State: "in-use", Zone: o.Zone, Type: o.Type, SizeGiB: o.SizeGiB}
	}
	return w.volumes[token].VolumeID
}

// listed are all volumes of the cluster.
func (w *scaleio) listed() *api.OwnedVolumes {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &api.OwnedVolumes{Volumes: slices.Collect(maps.Values(w.volumes))}
}

// takeOut what leaves, as far as the leader may.
func (w *scaleio) takeOut(l api.LeavingNode) {
	if ip, ok := strings.CutPrefix(l.SDC, "guid-"); ok && !w.sdcs[ip] {
		delete(w.sdcs, ip)
	}
	if sds := w.sdss[l.Name]; sds != nil && l.Drain {
		sds.Removing = true
		w.finish()
	}
}

// finish the removals whose data has moved.
func (w *scaleio) finish() {
	for name, sds := range w.sdss {
		if !sds.Removing || w.stuck {
			continue
		}
		delete(w.sdss, name)
		for disk, of := range w.devices {
			if of == name {
				delete(w.devices, disk)
			}
		}
	}
}

// drain lets the data of SDSs that are being removed move, or keeps it where it is.
func (w *scaleio) drain(goes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stuck = !goes
	w.finish()
}

func (w *scaleio) sds(name string) *api.SDSView {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sdss[name]
}

func (w *scaleio) clients() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return sortedKeys(w.sdcs)
}

// load the driver of a node, or take it away.
func (w *scaleio) load(ip string, there bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, listed := w.sdcs[ip]; there || listed {
		w.sdcs[ip] = there
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// node is a fake agent: the real client, real TLS, and a body that does at once what it is told.
type node struct {
	id, host string
	scaleio  *scaleio
	key      *ecdsa.PrivateKey
	disks    []api.Disk
	garbled  string   // what its MDM says that nobody understands
	idle     bool     // its daemon doesn't start: the test speaks for it
	older    []string // components that the manifest has newer ones of
	boots    int      // its machine has booted so often
	reboot   bool     // it needs to
	cloud    bool     // it is an EC2 instance
	orders   []api.OrderState

	mu      sync.Mutex
	env     map[string]string // of the task that placed it
	cert    *tls.Certificate
	cas     string // that it was told to trust instead of those of its task
	recall  bool   // the scheduler lost its store
	deaf    bool   // an older agent: knows nothing of rotations
	last    api.Answer
	leading bool
	view    *api.ClusterView
	mdm     *api.MDMView // as it was looked at last: at rest only when an answer says something new
	look    bool
	refused error
	lower   []api.Version // specs that it had to refuse
	link    *client.Agent
	stop    context.CancelFunc
	done    chan struct{}
}

func newNode(i int, w *scaleio) *node {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	n := &node{id: fmt.Sprintf("machine-%d", i), host: fmt.Sprintf("n%d.example", i), scaleio: w, key: key}
	n.disks = []api.Disk{
		{ID: fmt.Sprintf("wwn-%d-a", i), Path: "/dev/sdb", SizeBytes: 200 << 30, State: api.DiskOffered},
		{ID: fmt.Sprintf("wwn-%d-b", i), Path: "/dev/sdc", SizeBytes: 200 << 30, State: api.DiskRefused, Reason: "HasFilesystem"},
	}
	return n
}

// place starts the daemon, or leaves the one that is there alone.
func (n *node) place(env map[string]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.env = env
	if n.stop != nil || n.idle {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.stop, n.done = cancel, make(chan struct{})
	go func(done chan struct{}) {
		defer close(done)
		n.run(ctx)
	}(n.done)
}

// kill the node; place brings it back with its key and certificate.
func (n *node) kill() {
	n.mu.Lock()
	stop, done := n.stop, n.done
	n.stop = nil
	n.mu.Unlock()
	if stop != nil {
		stop()
		<-done
	}
}

func (n *node) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := n.exchange(ctx)
		if err == nil {
			continue
		}
		n.mu.Lock()
		n.refused = err
		n.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond): // the scheduler is away
		}
	}
}

func (n *node) exchange(ctx context.Context) error {
	if n.link == nil {
		c, err := n.client()
		if err != nil {
			return err
		}
		if n.cert == nil {
			defer c.Close()
			return n.join(ctx, c)
		}
		n.link = c
	}
	answer, err := n.link.Report(ctx, n.report())
	var refused *api.Error
	if err != nil && strings.Contains(err.Error(), "remote error: tls:") {
		n.mu.Lock()
		n.cert = nil // it isn't good any more: joins again
		n.mu.Unlock()
	}
	if errors.As(err, &refused) && refused.Code == api.CodeRecovering {
		n.mu.Lock()
		n.recall = true
		n.mu.Unlock()
	}
	if err != nil {
		n.link.Close()
		n.link = nil
		return err
	}
	n.obey(answer)
	return n.follow(ctx, answer)
}

// follow the cluster's CA.
func (n *node) follow(ctx context.Context, a api.Answer) error {
	if n.deaf {
		return nil
	}
	if a.Renew {
		renewed, err := n.link.Renew(ctx, api.RenewRequest{CSR: n.csr()})
		if err != nil {
			return err
		}
		n.certified(renewed)
	}
	if a.CA != "" {
		n.mu.Lock()
		n.cas = a.CA
		n.mu.Unlock()
	}
	if a.Renew || a.CA != "" {
		n.link.Close()
		n.link = nil
	}
	return nil
}

func (n *node) certified(answer api.JoinAnswer) {
	block, _ := pem.Decode([]byte(answer.Certificate))
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cert = &tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: n.key}
}

// trusted certificates, as PEM.
func (n *node) trusted() string { return cmp.Or(n.cas, n.env[api.EnvCA]) }

func fingerprints(text string) (all []string) {
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return all
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, trust.Fingerprint(cert.RawSubjectPublicKeyInfo))
		}
	}
}

func (n *node) client() (*client.Agent, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.clientWith(n.cert)
}

// anonymous is a client without a certificate.
func (n *node) anonymous() (*client.Agent, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.clientWith(nil)
}

func (n *node) clientWith(cert *tls.Certificate) (*client.Agent, error) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(n.trusted()))
	return client.NewAgent(client.Options{
		Servers: strings.Split(n.env[api.EnvServers], ","), Cluster: n.env[api.EnvCluster], CA: pool, Certificate: cert,
	})
}

func (n *node) identity() api.Identity {
	return api.Identity{ID: n.id, AgentUUID: "uuid-" + n.id, Hostname: n.host}
}

func (n *node) csr() string { return requestFor(n.key) }

func requestFor(key *ecdsa.PrivateKey) string {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func (n *node) join(ctx context.Context, c *client.Agent) error {
	n.mu.Lock()
	token := n.env[api.EnvToken]
	n.mu.Unlock()
	answer, err := c.Join(ctx, api.JoinRequest{Token: token, Node: n.identity(), CSR: n.csr()})
	if err != nil {
		return err
	}
	n.certified(answer)
	return nil
}

func (n *node) report() api.Report {
	n.mu.Lock()
	defer n.mu.Unlock()
	spec := n.last.Spec
	r := api.Report{
		Node: n.identity(), Version: spec.Version, Time: time.Now(), BootID: fmt.Sprintf("boot-%d", n.boots),
		Platform:  api.Platform{OS: "ubuntu22.04", Supported: true},
		Addresses: []string{"10.0.0." + n.id[len("machine-"):]}, Disks: slices.Clone(n.disks), Cluster: n.view, Seen: n.last.ETag,
	}
	if n.last.Wait {
		r.WaitMS = 2000
	}
	if n.recall {
		kept := spec
		kept.Packages, kept.Cluster = nil, nil
		r.Recalled = &api.Recalled{Spec: &kept, Hold: n.last.Hold}
	}
	if !n.deaf {
		r.Trusts = fingerprints(n.trusted())
	}
	if n.cloud {
		r.Orders = slices.Clone(n.orders)
		r.Cloud = &api.CloudView{Provider: "aws", InstanceID: n.id, Region: "us-east-1", Zone: "us-east-1a", Verified: true, SlotsMax: 27, SlotsUsed: len(n.disks)}
	}
	is := func(step string, ok bool) {
		status := api.False
		if ok {
			status = api.True
		} else if r.Step == "" {
			r.Step = step
		}
		r.Conditions = append(r.Conditions, api.Condition{Type: step, Status: status, Generation: spec.Version.Generation})
	}
	if open := slices.Contains(spec.Gates, api.GateClusterFormed); open {
		n.scaleio.load(r.Addresses[0], !spec.Remove)
	}
	if spec.Remove {
		is("remove-leftovers", true)
		r.Ready = true
		return r
	}
	open := func(g api.Gate) bool { return slices.Contains(spec.Gates, g) }
	if spec.Role.MDM() {
		is("run-mdm", open(api.GateRolesDecided))
		if n.look || n.mdm == nil {
			n.mdm = n.scaleio.mdm(n.id, spec.Role)
		}
		r.MDM = n.mdm
		r.MDM.Unknown = n.garbled
		if spec.Formation != nil {
			is("form-cluster", r.MDM.InCluster)
		}
	}
	is("run-sds", spec.Role != api.RoleUndecided)
	if spec.Role == api.RoleManager {
		is("trust-mdms", open(api.GateClusterFormed))
		if open(api.GateClusterFormed) {
			r.Gateway = &api.Gateway{Address: r.Addresses[0] + ":443", CertificatePEM: "certificate of " + n.id}
		}
	}
	is("serve-storage", n.last.Storage != nil && n.last.Storage.SDS != nil && len(n.last.Storage.SDS.Devices) >= 1)
	is("run-volume-driver", spec.Volumes != nil && !n.last.Secrets.VolumeUser.Empty())
	r.Ready = r.Step == ""
	n.look = !r.Ready
	for _, c := range n.older {
		r.Wants = append(r.Wants, api.UpgradeLease(c))
	}
	if n.reboot {
		r.Wants = append(r.Wants, api.LeaseReboot)
	}
	return r
}

// obey an answer, as the real agent and its steps would.
func (n *node) obey(a api.Answer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if a.Spec.Version.Before(n.last.Spec.Version) {
		n.lower = append(n.lower, a.Spec.Version)
		return
	}
	n.look = n.look || a.ETag != n.last.ETag
	n.last = a
	n.refused, n.recall = nil, false
	if f := a.Spec.Formation; f != nil && a.Spec.Licence && !a.Secrets.Admin.Empty() && a.Hold == nil {
		n.scaleio.form(n.id, f.Nonce)
	}
	n.leading, n.view = false, nil
	for _, l := range a.Leases {
		if l.Name == api.LeaseLeader && a.Spec.Cluster != nil {
			n.leading = true
			n.view = n.scaleio.lead(a.Spec.Cluster)
			n.view.Members = n.scaleio.members(a.Spec.MDMs, a.Spec.Cluster.HandOver)
			if a.Spec.Growth != nil {
				n.view.Owned = n.scaleio.listed()
			}
		}
		if l.Name == api.LeaseReboot && n.reboot {
			n.reboot, n.boots = false, n.boots+1
			n.scaleio.upgrade(a.Spec.Name + " reboots")
		}
		n.older = slices.DeleteFunc(n.older, func(c string) bool {
			if l.Name == api.UpgradeLease(c) {
				n.scaleio.upgrade(a.Spec.Name + " " + c)
			}
			return l.Name == api.UpgradeLease(c)
		})
	}
	n.buy(a.Spec)
	for i := range n.disks {
		d := &n.disks[i]
		claimed := slices.ContainsFunc(a.Spec.Claims, func(c api.DiskClaim) bool { return c.Disk == d.ID })
		if d.State == api.DiskOffered && claimed {
			d.State = api.DiskPrepared
		}
		if a.Storage != nil && a.Storage.SDS != nil && d.State == api.DiskPrepared &&
			slices.ContainsFunc(a.Storage.SDS.Devices, func(dev api.DeviceView) bool { return dev.ID == "dev-"+d.ID }) {
			d.State, d.DeviceID = api.DiskAdopted, "dev-"+d.ID
		}
		gone := a.Storage != nil && (a.Storage.SDS == nil ||
			!slices.ContainsFunc(a.Storage.SDS.Devices, func(dev api.DeviceView) bool { return dev.ID == "dev-"+d.ID }))
		if gone && d.State == api.DiskAdopted {
			d.State, d.DeviceID = api.DiskOffered, ""
		}
	}
}

// buy what was ordered: the volume is a disk at once.
func (n *node) buy(spec api.NodeSpec) {
	n.orders = nil
	if spec.Growth == nil {
		return
	}
	for _, o := range spec.Growth.Orders {
		state := api.OrderState{Expansion: o.Expansion, Index: o.Index, Attempt: o.Attempt, Stage: api.OrderDeleted}
		if !o.Abandon {
			id := n.scaleio.create(o.ClientToken(spec.Version.Cluster, n.id), n.id, o)
			state.Stage, state.VolumeID, state.Disk = api.OrderPresent, id, id
			if !slices.ContainsFunc(n.disks, func(d api.Disk) bool { return d.ID == id }) {
				n.disks = append(n.disks, api.Disk{ID: id, Path: "/dev/" + id, SizeBytes: int64(o.SizeGiB) << 30, State: api.DiskOffered})
			}
		}
		n.orders = append(n.orders, state)
	}
}

func (n *node) answer() api.Answer {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last
}

// wiped is the machine after a person set it up anew: it has the same identity, and knows nothing.
func (n *node) wiped() {
	n.kill()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cert, n.last, n.link = nil, api.Answer{}, nil
}

// failure is why the scheduler doesn't talk to it.
func (n *node) failure() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.refused
}

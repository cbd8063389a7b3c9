package installer

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// Folders of the agent on a node.
const (
	stateDir   = "/var/lib/scaleio-agent"
	packageDir = stateDir + "/packages"
	intentDir  = stateDir + "/intents"
)

// Leases of this node: what the scheduler granted it for now.
type Leases interface {
	// Left tells how long the lease is held yet; 0 and true = without end.
	Left(api.LeaseName) (time.Duration, bool)
	// Want asks for it with the next report.
	Want(api.LeaseName)
}

// Options of an Installer; the zero value works on a real machine without a scheduler.
type Options struct {
	Log            *slog.Logger
	ArtifactClient *http.Client                                                  // reaches packages that the scheduler serves
	Servers        func() []string                                               // https URLs of schedulers, in order of preference
	Ask            Ask                                                           // HTTP on this node and to the gateways; nil = AskHTTP
	CLI            Cluster                                                       // nil = scli through System.Commands
	Noticed        func()                                                        // told when an act in its middle changed what is reported
	GatewayAdmin   func(roots []byte, password api.Secret) (GatewayAdmin, error) // nil = this node's gateway on loopback
}

// Cluster is what the steps ask of the node's own MDM.
type Cluster interface {
	QueryCluster(ctx context.Context, ip string) (scaleio.Cluster, error)
	CreateCluster(ctx context.Context, want scaleio.CreateCluster) error
}

// Input of one pass: what the scheduler said last, and what the agent holds.
type Input struct {
	Spec    api.NodeSpec
	Storage *api.StorageView // the leader's view of this node, its age as of now; nil = none yet
	Secrets api.Secrets
	Leases  Leases
	Heard   time.Time // when the scheduler said last that the spec stands; zero = not to this process
}

// An Installer makes plans for one machine. It remembers only what saves work: what was read of disks and files.
type Installer struct {
	sys     System
	opts    Options
	intents intents
	digests digests
	survey  survey
	own     gatewayIdentity

	peers     peerMemory
	purchases purchases
	released  released
	kept      kept
	named     *namedVolumes

	modules moduleMemory
	// gatewayInUse is the address (string) that the volume driver was led to last.
	gatewayInUse atomic.Value
}

// New makes an Installer; it starts nothing.
func New(sys System, opts Options) *Installer {
	if sys.Clock == nil {
		sys.Clock = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Ask == nil {
		opts.Ask = AskHTTP
	}
	if opts.GatewayAdmin == nil {
		opts.GatewayAdmin = localGatewayAdmin
	}
	if opts.CLI == nil {
		opts.CLI = scaleio.NewCLI(sys.Commands, scaleio.Options{})
	}
	if opts.Noticed == nil {
		opts.Noticed = func() {}
	}
	if opts.Servers == nil {
		opts.Servers = func() []string { return nil }
	}
	sys.Packages = &packageStates{Packages: sys.Packages, files: sys.Files, now: sys.Clock, database: databaseOf(sys.Facts.Family)}
	named := &namedVolumes{Disks: sys.Disks, files: sys.Files}
	sys.Disks = named
	i := &Installer{sys: sys, opts: opts, named: named}
	i.intents = intents{files: sys.Files, now: sys.Clock, bootID: sys.Facts.BootID}
	i.digests.files, i.digests.now = sys.Files, sys.Clock
	i.survey.disks, i.survey.files, i.survey.now = sys.Disks, sys.Files, sys.Clock
	i.survey.bootID, i.survey.intents = sys.Facts.BootID, i.intents
	i.purchases.now = sys.Clock
	return i
}

// Plan gives the ordered facts that should be true of this node. An error is a spec that this version doesn't understand: nothing may be done.
func (i *Installer) Plan(in Input) (step.Plan, error) {
	var told []api.VolumeOrder
	if in.Spec.Growth != nil {
		told = in.Spec.Growth.Orders
	}
	i.purchases.keep(told)
	if in.Spec.Remove {
		i.kept.put(nil)
	} else {
		i.released.begin()
	}
	if err := understood(in.Spec); err != nil {
		return nil, err
	}
	if in.Leases == nil {
		in.Leases = noLeases{}
	}
	return plan(&orders{Input: in, Installer: i, planned: i.sys.Clock()}), nil
}

// noLeases of an agent that has no scheduler.
type noLeases struct{}

func (noLeases) Left(api.LeaseName) (time.Duration, bool) { return 0, false }
func (noLeases) Want(api.LeaseName)                       {}

func understood(spec api.NodeSpec) error {
	if !spec.Role.Known() {
		return fmt.Errorf("planning: role %q is not one that this version knows", spec.Role)
	}
	if spec.Remove && spec.Role.MDM() {
		return fmt.Errorf("planning: this node carries an MDM (%s), and this version removes none", spec.Role)
	}
	for _, g := range spec.Gates {
		if !slices.Contains(api.Gates, g) {
			return fmt.Errorf("planning: gate %q is not one that this version knows", g)
		}
	}
	for _, m := range spec.MDMs {
		if !m.Role.MDM() {
			return fmt.Errorf("planning: MDM %q has role %q, which is none of an MDM", m.Name, m.Role)
		}
	}
	return nil
}

// orders are one pass's input beside the machine that it is for.
type orders struct {
	Input
	*Installer
	planned time.Time // when the age of the leader's view was right
	update  updateMemory
}

// self is this node's entry among the chosen MDMs.
func (o *orders) self() (api.MDM, bool) {
	for _, m := range o.Spec.MDMs {
		if m.Node == o.Spec.Node {
			return m, true
		}
	}
	return api.MDM{}, false
}

// managers gives the addresses of all managers, this node's own or not, in the order of the spec: SDC and gateway look for the master there.
func (o *orders) managers() []string {
	var ips []string
	for _, m := range o.Spec.MDMs {
		if m.Role == api.RoleManager {
			ips = append(ips, m.IPs...)
		}
	}
	return ips
}

// pick finds the package of a component for this node.
func (o *orders) pick(component string) (api.Package, bool) {
	return pick(o.Spec.Packages, component, o.sys.Facts)
}

// pick is pure: the most exact name of the system counts, and of two under one name the first. One that is for any system (file names of the gateway carry
// no OS) may be listed once for each package tool, so what this machine's tool takes goes before what it doesn't; that is found to be told about.
func pick(listed []api.Package, component string, f platform.Facts) (api.Package, bool) {
	for _, fits := range []func(format string) bool{formats(f.Family), func(string) bool { return true }} {
		for _, name := range api.PackageOSes(f.OS) {
			for _, p := range listed {
				if p.Component == component && p.OS == name && fits(p.Format) {
					return p, true
				}
			}
		}
	}
	return api.Package{}, false
}

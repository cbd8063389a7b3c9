package installertest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"scaleio-framework/installer"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd/systemdtest"
)

// Version of the packages in the manifest.
const Version = "3.6-700.103"

// A Node is a bare Ubuntu machine; its state lasts over any number of Installers, as a disk does over processes. Every call to it goes through Cutter.
type Node struct {
	Name      string
	IP        string
	Facts     platform.Facts
	Cutter    *platformtest.Cutter
	Files     *platformtest.Files
	Commands  *platformtest.Commands
	Packages  *platformtest.Packages
	Units     *systemdtest.Units
	Jobs      *systemdtest.Jobs
	Download  *platformtest.Download
	Archives  *platformtest.Archives
	Disks     *platformtest.Disks
	Network   *platformtest.Network
	Reboots   *platformtest.Reboots
	Preflight *platformtest.Preflight
	Cloud     *Cloud // nil = no instance of one
	Product   *Product
	Mesos     *MesosAgent // nil = none here
	Leases    *Leases
	Spec      api.NodeSpec
	Storage   *api.StorageView
	Secrets   api.Secrets

	Unheard       time.Duration // since the scheduler's last word
	WithoutModule bool          // the SDC's package brings no module for this kernel
	ModuleUsers   int           // what holds the loaded one

	mu         sync.Mutex
	installEnv map[string]map[string]string // component: environment of its last install
	guid       string                       // that the running driver has
	sdc        [][]string                   // systems that the running driver is pointed at
	gatewayOut bool
	running    map[string]bool // unit: its daemon runs
	trusted    map[string]bool // certificates of MDMs that the gateway trusts
}

// NewNode adds a machine to the product's world.
func (p *Product) NewNode(name, ip string) *Node {
	cutter := &platformtest.Cutter{}
	files := platformtest.NewFiles()
	n := &Node{
		Name: name, IP: ip, Product: p, Cutter: cutter, Files: files,
		Facts: platform.Facts{OS: "ubuntu22.04", ID: "ubuntu", VersionID: "22.04", Codename: "jammy", Pretty: "Ubuntu 22.04.5 LTS", Family: platform.FamilyDeb, Tool: "apt-get",
			Kernel: "5.15.0-122-generic", Arch: "amd64", Systemd: true, MachineID: "0123456789abcdef0123456789abcde" + name[len(name)-1:], BootID: "boot-1", Hostname: name},
		Commands:   &platformtest.Commands{Hook: cutter.Do},
		Packages:   &platformtest.Packages{Hook: cutter.Do, Files: files},
		Units:      &systemdtest.Units{Hook: cutter.Do},
		Jobs:       &systemdtest.Jobs{Hook: cutter.Do},
		Download:   &platformtest.Download{Hook: cutter.Do, Files: files},
		Archives:   &platformtest.Archives{Hook: cutter.Do, Files: files},
		Disks:      &platformtest.Disks{Hook: cutter.Do},
		Network:    &platformtest.Network{Hook: cutter.Do},
		Reboots:    &platformtest.Reboots{Hook: cutter.Do},
		Preflight:  &platformtest.Preflight{Hook: cutter.Do},
		Leases:     &Leases{},
		installEnv: map[string]map[string]string{}, running: map[string]bool{}, trusted: map[string]bool{},
	}
	files.Hook = func(call string, effect func() error) error {
		return cutter.Do(call, func() error {
			err := effect()
			if unit, ok := strings.CutPrefix(call, "write /etc/systemd/system/"); ok && err == nil {
				if unit, _, dropIn := strings.Cut(unit, ".d/"); dropIn {
					n.Units.LayOver(unit)
				} else {
					n.Units.Lay(unit)
				}
			}
			return err
		})
	}
	n.Network.SetAddresses(ip)
	n.Packages.Offer("libaio1", "numactl", "openssl", "e2fsprogs", "xfsprogs", "openjdk-8-jre-headless")
	n.Units.Starting, n.Units.Stopping = n.starting, n.stopping
	n.Commands.Handle("/usr/bin/openssl", n.openssl)
	n.Commands.Handle("/bin/systemctl", n.systemctl)
	p.mu.Lock()
	p.nodes = append(p.nodes, n)
	p.mu.Unlock()
	n.Spec = n.spec()
	n.Secrets = api.Secrets{GatewayAdmin: api.NewSecret("gateway secret"), VolumeUser: api.NewSecret("volume: \"secret\" #1")}
	return n
}

// System of the node.
func (n *Node) System() installer.System {
	system := installer.System{Facts: n.Facts, Files: n.Files, Commands: n.Commands, Packages: n.Packages, Units: n.Units, Jobs: n.Jobs,
		Download: n.Download, Archives: n.Archives, Disks: n.Disks, Network: n.Network, Reboots: n.Reboots, Preflight: n.Preflight, Clock: time.Now}
	if n.Cloud != nil {
		system.Cloud = n.Cloud
	}
	return system
}

// Options of an Installer on the node.
func (n *Node) Options() installer.Options {
	return installer.Options{Ask: n.Ask, GatewayAdmin: n.GatewayAdmin}
}

// Installer of a new process on the node.
func (n *Node) Installer() *installer.Installer { return installer.New(n.System(), n.Options()) }

// Input of a pass.
func (n *Node) Input() installer.Input {
	return installer.Input{Spec: n.Spec, Storage: n.Storage, Secrets: n.Secrets, Leases: n.Leases, Heard: time.Now().Add(-n.Unheard)}
}

// spec of a data node; the roles of all are set by Assign.
func (n *Node) spec() api.NodeSpec {
	s := api.NodeSpec{Version: api.Version{Cluster: "c", Epoch: 1, Generation: 1}, Node: "id-" + n.Name, Name: n.Name, Role: api.RoleData,
		Licence: true, Preflight: &api.Preflight{Done: true}, Disks: api.DiskPolicy{Use: api.DiskUseAllEmpty}}
	for _, c := range []string{scaleio.MDM, scaleio.SDS, scaleio.SDC, scaleio.Gateway} {
		s.Packages = append(s.Packages, n.publish(c, "deb"))
	}
	for _, c := range []string{"rexray", "dvdcli"} {
		s.Packages = append(s.Packages, n.publish(c, "binary"))
	}
	return s
}

// publish a package on the mirror.
func (n *Node) publish(component, format string) api.Package {
	body := "stand-in for " + component + " " + Version
	sum := sha256.Sum256([]byte(body))
	p := api.Package{Component: component, Version: Version, OS: n.Facts.OS, Format: format, URL: "http://mirror/" + component,
		Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}
	n.Download.Serve(p.URL, []byte(body))
	if format == "deb" {
		n.Packages.Provide(installer.PackageFile(p), platformtest.Archive{Name: scaleio.DebName(component), Version: Version + ".Ubuntu.22.04",
			Install: func(env map[string]string) error { return n.install(component, env) }, Remove: func() { n.uninstall(component) }})
	}
	return p
}

// Assign roles: the first two nodes are managers, the third is tie-breaker, the rest data nodes; every spec says so.
func (p *Product) Assign(gates ...api.Gate) {
	var mdms []api.MDM
	var gateways []api.Gateway
	for i, n := range p.nodes {
		n.Spec.Role = api.RoleData
		if i < 3 {
			n.Spec.Role = []api.Role{api.RoleManager, api.RoleManager, api.RoleTieBreaker}[i]
			mdms = append(mdms, api.MDM{Node: n.Spec.Node, Name: n.Name, Role: n.Spec.Role, IPs: []string{n.IP}, CertificatePEM: certificate("mdm", n.IP)})
		}
		if n.manager() {
			gateways = append(gateways, api.Gateway{Node: n.Spec.Node, Address: n.IP + ":443", CertificatePEM: n.Certificate()})
		}
	}
	for _, n := range p.nodes {
		n.Spec.MDMs, n.Spec.Gates = mdms, gates
		n.Spec.Volumes = &api.VolumeDriver{Gateways: gateways, User: "rexray", SystemID: SystemID, ProtectionDomain: "pd1", StoragePool: "sp1"}
	}
}

func (n *Node) mdm() bool     { return n.Spec.Role.MDM() }
func (n *Node) manager() bool { return n.Spec.Role == api.RoleManager }

// InstalledWith gives the environment that a component's scripts saw.
func (n *Node) InstalledWith(component string) map[string]string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.installEnv[component]
}

// Certificate that the node's gateway shows.
func (n *Node) Certificate() string { return certificate("gateway", n.IP) }

// GatewayOut takes the gateway's answers away, or brings them back.
func (n *Node) GatewayOut(out bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gatewayOut = out
}

// Snapshot of everything that an installer could change.
func (n *Node) Snapshot() map[string]string {
	all := n.Files.Tree("/")
	for _, name := range n.Packages.Names() {
		all["package "+name] = "installed"
	}
	for _, unit := range []string{"mdm.service", "sds.service", "scini.service", "scaleio-gateway.service", "rexray.service", "mesos-agent.service"} {
		all["unit "+unit] = fmt.Sprint(n.up(unit), n.Units.Count("start", unit), n.Units.Count("restart", unit), n.Units.Count("stop", unit), n.Units.Count("enable", unit))
	}
	id, members := n.Product.state()
	all["system"] = fmt.Sprint(id, members)
	n.mu.Lock()
	defer n.mu.Unlock()
	all["drv_cfg"] = fmt.Sprint(n.sdc)
	if n.Cloud != nil {
		all["cloud"] = n.Cloud.String()
	}
	all["trusted"] = fmt.Sprint(len(n.trusted))
	return all
}

// up tells whether a unit's daemon runs.
func (n *Node) up(unit string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.running[unit]
}

// file reads without the Cutter.
func (n *Node) file(path string) (string, bool) {
	dir := path[:strings.LastIndex(path, "/")]
	data, ok := n.Files.Tree(dir)[path]
	return data, ok
}

// Leases that a test grants.
type Leases struct {
	mu     sync.Mutex
	held   map[api.LeaseName]bool
	wanted map[api.LeaseName]bool
}

// Grant or take away.
func (l *Leases) Grant(name api.LeaseName, yes bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[api.LeaseName]bool{}
	}
	l.held[name] = yes
}

// Wanted tells whether it was asked for.
func (l *Leases) Wanted(name api.LeaseName) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wanted[name]
}

// Forget what was wanted, as each pass begins with doing.
func (l *Leases) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted = nil
}

// Left of a lease: without end while granted.
func (l *Leases) Left(name api.LeaseName) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return 0, l.held[name]
}

// Want a lease.
func (l *Leases) Want(name api.LeaseName) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wanted == nil {
		l.wanted = map[api.LeaseName]bool{}
	}
	l.wanted[name] = true
}

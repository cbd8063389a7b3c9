package installer

import (
	"slices"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// Components beside the product's own.
const (
	componentREXRay = "rexray"
	componentDVDCLI = "dvdcli"
)

// Branches: items of one wait for each other and for the trunk, not for the items of others.
const (
	trunk         = ""
	branchMDM     = "mdm"
	branchSDS     = "sds"
	branchSDC     = "sdc" // and what stands on it: volume driver and isolator
	branchGateway = "gateway"
	branchCloud   = "cloud"
	branchKernel  = "kernel" // what the next boot needs, and the reboot itself
	branchUpgrade = "upgrade"
)

// installTime bounds an install, which may have to wait for another package manager's lock.
const installTime = 15 * time.Minute

// A row of the table: which roles have the step, where it stands, and what must be open before it acts.
type row struct {
	step    func(*orders) step.Step
	roles   []api.Role // nil = every role, also while none is decided
	branch  string
	after   api.Gate
	timeout time.Duration
	once    bool // acts on the node that formed the cluster alone
	routine bool
	later   bool               // acts only on what comes to a node after its bring-up
	only    func(*orders) bool // nil = always
}

var (
	mdms     = []api.Role{api.RoleManager, api.RoleTieBreaker}
	managers = []api.Role{api.RoleManager}
)

// rows in the order in which a bare node becomes a member. A platform that isn't supported gets the first one only.
var rows = []row{
	{step: acceptPlatform},
	{step: keepUpdatesFromRebooting, branch: branchKernel, only: (*orders).updatesItself},
	{step: checkNode, only: (*orders).preflight},
	{step: fetchPackages, timeout: time.Hour},
	{step: checkPeers, only: (*orders).preflight, routine: true},
	{step: installPrerequisites, timeout: installTime},

	{step: installMDM, roles: mdms, branch: branchMDM, timeout: installTime},
	{step: runMDM, roles: mdms, branch: branchMDM},
	{step: installSDS, only: (*orders).carriesSDS, branch: branchSDS, timeout: installTime},
	{step: runSDS, only: (*orders).carriesSDS, branch: branchSDS},
	{step: ownSDCGUID, branch: branchSDC},
	{step: provideSciniModule, only: (*orders).ownKernel, branch: branchSDC, timeout: 10 * time.Minute},
	{step: installSDC, branch: branchSDC, after: api.GateRolesDecided, timeout: installTime},
	{step: installGateway, roles: managers, branch: branchGateway, after: api.GateRolesDecided, timeout: installTime},

	{step: formCluster, roles: managers, branch: branchMDM, after: api.GateMDMsInstalled, once: true, only: (*orders).forms},
	{step: joinCluster, roles: mdms, branch: branchMDM, after: api.GateClusterFormed, once: true},
	{step: loadScini, branch: branchSDC, timeout: 5 * time.Minute},
	{step: connectSDC, branch: branchSDC, after: api.GateRolesDecided}, // not later: the node that forms the cluster knows the new system's id from its SDC
	{step: configureGateway, roles: managers, branch: branchGateway, after: api.GateClusterFormed},
	{step: runGateway, roles: managers, branch: branchGateway},
	{step: trustMDMs, roles: managers, branch: branchGateway, after: api.GateClusterFormed, routine: true},

	{step: buyVolumes, only: (*orders).buysVolumes, branch: branchCloud, after: api.GatePoolReady, timeout: 5 * time.Minute, routine: true},
	{step: keepVolumes, only: (*orders).keepsVolumes, branch: branchSDS, timeout: 5 * time.Minute, routine: true, later: true},
	{step: handOverDisks, only: (*orders).carriesSDS, branch: branchSDS, after: api.GatePoolReady, timeout: 10 * time.Minute, routine: true},
	{step: serveStorage, only: (*orders).carriesSDS, branch: branchSDS},
	{step: installVolumeDriver, branch: branchSDC},
	{step: configureVolumeDriver, branch: branchSDC, routine: true},
	{step: runVolumeDriver, branch: branchSDC, after: api.GatePoolReady}, // before that its user isn't there, REX-Ray ends, and PID 1 waits before it starts it again
	{step: configureIsolator, branch: branchSDC},
	{step: restartMesosAgent, branch: branchSDC, timeout: 5 * time.Minute},

	{step: fetchUpgrades, branch: branchUpgrade, timeout: time.Hour, routine: true, only: (*orders).hasManifest},
	{step: upgradeGateway, roles: managers, branch: branchUpgrade, timeout: installTime, routine: true, only: (*orders).hasManifest},
	{step: upgradeMDM, roles: mdms, branch: branchUpgrade, timeout: installTime, routine: true, only: (*orders).hasManifest},
	{step: upgradeSDS, only: (*orders).carriesAndUpgradesSDS, branch: branchUpgrade, timeout: installTime, routine: true},
	{step: upgradeSDC, branch: branchUpgrade, timeout: installTime, routine: true, only: (*orders).hasManifest},

	{step: prepareNextKernel, only: (*orders).ownKernel, branch: branchKernel, timeout: 10 * time.Minute, routine: true},
	{step: cleanModules, only: (*orders).ownKernel, branch: branchKernel, routine: true},
	{step: rebootNode, branch: branchKernel, routine: true, later: true},
}

// hasManifest: what is to be upgraded, and to what, comes with it.
func (o *orders) hasManifest() bool { return len(o.Spec.Packages) > 0 }

func (o *orders) carriesAndUpgradesSDS() bool { return o.hasManifest() && o.carriesSDS() }

// ownKernel: a container's kernel and its modules are its host's.
func (o *orders) ownKernel() bool { return o.sys.Facts.Container == "" }

// removal takes away, last first, what the rows above made. A node with an MDM is never told to.
var removal = []row{
	{step: acceptPlatform},
	{step: removeVolumeDriver},
	{step: removeIsolator},
	{step: removeSDC, timeout: installTime},
	{step: removeSDS, timeout: installTime},
	{step: releaseVolumes, only: (*orders).releasesVolumes, timeout: 5 * time.Minute},
	{step: removeUpdatesHold, only: (*orders).updatesItself},
	{step: removeLeftovers},
}

// plan is pure: role and platform in, ordered steps out.
func plan(o *orders) step.Plan {
	table := rows
	if o.Spec.Remove {
		table = removal
	}
	p := make(step.Plan, 0, len(table))
	for _, r := range table {
		if r.roles != nil && !slices.Contains(r.roles, o.Spec.Role) || r.only != nil && !r.only(o) {
			continue
		}
		p = append(p, step.Item{Step: r.step(o), After: r.after, Timeout: r.timeout, Branch: r.branch, Once: r.once, Routine: r.routine, Later: r.later})
		if !o.support().Client {
			break
		}
	}
	return p
}

// carriesSDS: every node but a client, and one without a role yet that will be no client. Its SDS needn't wait for that.
func (o *orders) carriesSDS() bool {
	return o.Spec.Role.Storage() || o.Spec.Role == api.RoleUndecided && o.support().Storage
}

// components that this node needs from the manifest.
func (o *orders) components() []string {
	var needed []string
	if o.carriesSDS() {
		needed = append(needed, scaleio.SDS)
	}
	needed = append(needed, scaleio.SDC, componentREXRay, componentDVDCLI)
	if o.Spec.Role.MDM() {
		needed = append(needed, scaleio.MDM)
	}
	if o.Spec.Role == api.RoleManager {
		needed = append(needed, scaleio.Gateway)
	}
	return needed
}

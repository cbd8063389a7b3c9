package leader

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// CLI is what the leader needs of scli on its own node.
type CLI interface {
	QueryCluster(ctx context.Context, ip string) (scaleio.Cluster, error)
	Session(ctx context.Context, as scaleio.Credentials, do func(context.Context, Session) error) error
}

// Session is what scli may do between login and logout.
type Session interface {
	SystemID() string
	SetPassword(ctx context.Context, old, to api.Secret) error
	AddStandbyMDM(ctx context.Context, m scaleio.NewMDM) error
	SwitchClusterMode(ctx context.Context, m scaleio.SwitchMode) error
	RenameSystem(ctx context.Context, name string) error
	SwitchMaster(ctx context.Context, to string) error
	EnterMaintenance(ctx context.Context, sds string) error
	ExitMaintenance(ctx context.Context, sds string) error
	QueryUsers(ctx context.Context) ([]scaleio.User, error)
	AddUser(ctx context.Context, name, role string) (api.Secret, error)
	ResetPassword(ctx context.Context, name string) (api.Secret, error)
}

// Gateway is what the leader needs of its own node's gateway, as the admin.
type Gateway interface {
	Objects(ctx context.Context) (scaleio.Objects, error)
	AddDomain(ctx context.Context, name string) error
	AddPool(ctx context.Context, p scaleio.NewPool) error
	SetZeroPadding(ctx context.Context, poolID string, on bool) error
	SetSparePercent(ctx context.Context, poolID string, percent int) error
	AddFaultSet(ctx context.Context, domainID, name string) error
	AddSDS(ctx context.Context, s scaleio.NewSDS) error
	AddDevice(ctx context.Context, d scaleio.NewDevice) error
	RemoveSDS(ctx context.Context, id string) error
	RemoveSDC(ctx context.Context, id string) error
}

// Gateways of this node.
type Gateways interface {
	// Open a client for a system; called again only when system or password change.
	Open(systemID string, as scaleio.Credentials) (Gateway, error)
	// LetsIn says whether an account's password is right.
	LetsIn(ctx context.Context, as scaleio.Credentials) (bool, error)
}

// A Guard is asked before every change and says why it may not be made: the lease has less left than the call may take, the brake is on, the
// spec isn't the wanted one any more.
type Guard func(ctx context.Context, need time.Duration) error

// Input of one pass.
type Input struct {
	Spec     api.NodeSpec // with Cluster; without it nothing is wanted
	Secrets  api.Secrets
	Received time.Time // when the ages in Spec were right; the zero time is now
	Guard    Guard
	Latest   func() (in Input, leading bool) // what is wanted by now: read again before each change; nil = this Input stands
}

func (in Input) admin() scaleio.Credentials {
	return scaleio.Credentials{User: scaleio.AdminUser, Password: in.Secrets.Admin}
}

func (in Input) volumeUser() scaleio.Credentials {
	return scaleio.Credentials{User: in.Spec.Cluster.VolumeUser, Password: in.Secrets.VolumeUser}
}

// self is this node's own MDM.
func (in Input) self() (api.MDM, bool) {
	for _, m := range in.Spec.MDMs {
		if m.Node == in.Spec.Node {
			return m, true
		}
	}
	return api.MDM{}, false
}

// A Leader converges one system. It is safe for a pass and a View at the same time.
type Leader struct {
	cli      CLI
	gateways Gateways
	log      *slog.Logger

	mu       sync.Mutex
	seen     seen
	gateway  Gateway
	opened   opened
	systemID string // that the last login told
	trusted  map[string]trusted
	deferred map[string]deferral
}

// New starts nothing.
func New(cli CLI, gateways Gateways, log *slog.Logger) *Leader {
	return &Leader{cli: cli, gateways: gateways, log: log, trusted: map[string]trusted{}, deferred: map[string]deferral{}}
}

// Names of the steps.
const (
	StepAdminPassword = "change-admin-password"
	StepStandbyMDMs   = "add-standby-mdms"
	StepClusterMode   = "switch-cluster-mode"
	StepSystemName    = "name-system"
	StepDomain        = "add-protection-domain"
	StepPool          = "add-storage-pool"
	StepFaultSets     = "add-fault-sets"
	StepVolumeUser    = "ensure-volume-user"
	StepSDSs          = "add-sdss"
	StepLeaving       = "take-out-nodes"
	StepDevices       = "add-devices"
	StepMaster        = "hand-over-master"
	StepService       = "service-sds"
)

// Reasons of the leader's steps.
const (
	ReasonUnknownDialect = "UnknownDialect"
	ReasonNotMaster      = "NotMaster"
	ReasonOtherSystem    = "OtherSystem"
	ReasonNoGateway      = "GatewayAway"
	ReasonNoSecret       = "WaitingForSecret"
	ReasonWaitingForNode = "WaitingForNode"
	ReasonConflict       = "Conflict"
	ReasonForeign        = "BelongsElsewhere"
	ReasonPermanent      = "PermanentChoice"
	ReasonDraining       = "Draining"
	ReasonLimit          = api.ConditionWaitingForSlot
)

// manyTimeout bounds a step that may have an act for every node.
const manyTimeout = 10 * time.Minute

// Plan of the leader. The volume driver's user comes before SDSs and devices: disks are handed over only once the pool is ready for use.
func (l *Leader) Plan(in Input) step.Plan {
	if in.Received.IsZero() {
		in.Received = time.Now()
	}
	if in.Spec.Cluster == nil {
		return nil
	}
	one := func(name string, diff differ) *duty { return &duty{name: name, lead: l, in: in, diff: diff} }
	many := func(name string, diff differ) *duty {
		return &duty{name: name, lead: l, in: in, diff: diff, many: true}
	}
	plan := step.Plan{
		{Step: &adminPassword{lead: l, in: in}, After: api.GateMDMsInstalled},
		{Step: one(StepStandbyMDMs, fromCluster(diffStandbys)), After: api.GateMDMsInstalled},
		{Step: one(StepClusterMode, fromCluster(diffMode)), After: api.GateMDMsInstalled},
		{Step: one(StepSystemName, fromCluster(diffName)), After: api.GateMDMsInstalled},
		{Step: one(StepDomain, fromObjects(diffDomain)), After: api.GateGatewayReady},
		{Step: one(StepPool, fromObjects(diffPool)), After: api.GateGatewayReady},
		{Step: one(StepFaultSets, fromObjects(diffFaultSets)), After: api.GateGatewayReady},
		{Step: &volumeUser{lead: l, in: in}, After: api.GateGatewayReady},
		{Step: many(StepSDSs, fromObjects(diffSDSs)), After: api.GateGatewayReady, Timeout: manyTimeout},
	}
	if len(in.Spec.Cluster.Leaving) > 0 {
		plan = append(plan, step.Item{Step: many(StepLeaving, fromObjects(diffLeaving)), After: api.GatePoolReady})
	}
	if in.Spec.Cluster.HandOver != "" { // before what may wait for nodes: after it this node leads no more, and what is left is the next one's
		plan = append(plan, step.Item{Step: one(StepMaster, fromCluster(diffMaster)), After: api.GateClusterFormed})
	}
	if in.Spec.Cluster.Service != nil {
		plan = append(plan, step.Item{Step: one(StepService, fromObjects(diffService)), After: api.GatePoolReady})
	}
	return append(plan, step.Item{Step: many(StepDevices, fromObjects(diffDevices)), After: api.GatePoolReady, Timeout: manyTimeout})
}

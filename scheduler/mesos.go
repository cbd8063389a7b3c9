package scheduler

import (
	"context"
	"errors"
	"time"
)

// Mesos is what the scheduler needs of a Mesos master. scheduler/offers implements it over mesos-go; tests by a fake.
type Mesos interface {
	// Frameworks lists what the master knows of frameworks with this name and principal, completed ones excluded. An error means that
	// nobody can say.
	Frameworks(ctx context.Context, name, principal string) ([]KnownFramework, error)
	// Run subscribes and stays subscribed through changes of the leading master, until ctx ends (nil) or the master forbids to go on
	// (ErrFailedOver, ErrRemoved). It calls h from one goroutine at a time.
	Run(ctx context.Context, f Framework, h MesosHandler) error
	// Kill asks for the end of a task. The daemon that the task placed goes on.
	Kill(ctx context.Context, taskID, agentID string) error
}

// A Reviver is a Mesos that can drop our filters: an agent that was declined for long has to be offered again, because its task ended. Where
// it can't, that happens when the filter runs out. Without a subscription it does nothing: a new one starts without filters.
type Reviver interface {
	Revive(ctx context.Context) error
}

// A Reconciler is a Mesos that can be asked which tasks of ours run on agents that it knows: each is told by an update, and an offer that is made afterwards comes after those.
type Reconciler interface {
	Reconcile(ctx context.Context) error
}

// Reasons for which Run ends though nobody asked it to.
var (
	ErrFailedOver = errors.New("framework failed over: another scheduler has subscribed with our framework id")
	ErrRemoved    = errors.New("framework was removed from the master: its failover timeout passed or someone tore it down")
)

// MesosHandler is told what happens, in order. What it returns is done before the next event is read.
type MesosHandler interface {
	// Subscribed: id is stored when it returns nil; on an error nothing else may be told and the subscription is dropped.
	Subscribed(ctx context.Context, id string, master string) error
	// Disconnected until the next Subscribed.
	Disconnected(err error)
	// Offered gets one offer and answers what to do with it; an intent is in the store before it returns a Launch. Offers of one event are
	// passed together, so that their intents share a commit; the answers are in the same order.
	Offered(ctx context.Context, offers []Offer) []OfferAnswer
	// Updated: the updates are stored when it returns nil and may be acknowledged then, not before. Those that wait are passed together, oldest first, so that they
	// share a commit.
	Updated(ctx context.Context, all ...TaskUpdate) error
	// AgentLost proves nothing about the node's storage.
	AgentLost(ctx context.Context, agentID string)
	// Tasks that are to be reconciled explicitly after each Subscribed and every few minutes while one has had no update (implicit
	// reconciliation comes in addition).
	Tasks() []TaskRef
}

// Framework is what we subscribe as. Always asked for: MULTI_ROLE, RESERVATION_REFINEMENT, PARTITION_AWARE, TASK_KILLING_STATE,
// GPU_RESOURCES, and checkpoint.
type Framework struct {
	ID              string // "" = the first time
	Name            string
	User            string
	Principal       string
	Roles           []string
	FailoverTimeout time.Duration
	WebUIURL        string
	Hostname        string
}

// KnownFramework is one that the master knows already.
type KnownFramework struct {
	ID        string
	Active    bool
	Connected bool
	WebUIURL  string
}

// Offer of a Mesos agent's resources.
type Offer struct {
	ID         string
	AgentID    string
	Hostname   string
	IP         string
	Attributes map[string]string // text as is, scalars and ranges in Mesos' own notation
	CPUs       float64
	MemMB      float64
	DiskMB     float64
	HasOurTask bool // the offer lists an executor of ours: something already runs there
}

// OfferAnswer accepts an offer with Launch, or declines it with a filter.
type OfferAnswer struct {
	Launch *Launch
	Refuse time.Duration // how long this agent's resources need not be offered again; jitter is in it already
}

// Launch of the one task that we place on a Mesos agent. It runs as root with the command executor.
type Launch struct {
	TaskID  string
	Name    string
	AgentID string
	CPUs    float64
	MemMB   float64
	DiskMB  float64
	Command string // for the shell of the command executor
	URIs    []URI
	Env     map[string]string
	Health  HTTPHealth
	Check   CommandCheck
	Labels  map[string]string
}

// URI that Mesos fetches into the sandbox.
type URI struct {
	Value      string
	OutputFile string
	Executable bool
	Cache      bool
}

// HTTPHealth kills the task after Failures misses in a row; so it is patient.
type HTTPHealth struct {
	Port                            int
	Path                            string
	Delay, Interval, Timeout, Grace time.Duration
	Failures                        int
}

// CommandCheck never kills: its exit code only comes back in updates (readiness).
type CommandCheck struct {
	Command                  string
	Delay, Interval, Timeout time.Duration
}

// TaskRef names a task for reconciliation.
type TaskRef struct {
	TaskID  string
	AgentID string
}

// TaskState as Mesos names it: "TASK_RUNNING".
type TaskState string

// The states that we act on.
const (
	TaskStaging     TaskState = "TASK_STAGING"
	TaskRunning     TaskState = "TASK_RUNNING"
	TaskKilling     TaskState = "TASK_KILLING"
	TaskUnreachable TaskState = "TASK_UNREACHABLE"
	TaskUnknown     TaskState = "TASK_UNKNOWN"
	TaskLost        TaskState = "TASK_LOST"
)

var ended = map[TaskState]bool{
	"TASK_FINISHED": true, "TASK_FAILED": true, "TASK_KILLED": true, "TASK_ERROR": true, "TASK_LOST": true, "TASK_DROPPED": true,
	"TASK_GONE": true, "TASK_GONE_BY_OPERATOR": true, "TASK_UNKNOWN": true,
}

// Ended says whether a new task may be launched in place of this one. A task that is TASK_UNREACHABLE comes back with its Mesos agent.
// TASK_LOST and TASK_UNKNOWN prove nothing about the node: the new task adopts whatever it finds there.
func (s TaskState) Ended() bool { return ended[s] }

// TaskUpdate of a task of ours.
type TaskUpdate struct {
	TaskID         string
	AgentID        string
	State          TaskState
	Reason         string // REASON_...
	Source         string // SOURCE_...
	Message        string
	Healthy        *bool // nil = not known
	CheckExit      *int  // exit code of the CommandCheck; nil = not run yet
	Reconciliation bool  // an answer to a reconciliation: nothing to acknowledge
}

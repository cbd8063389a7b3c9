package link

// The agent posts a Registration to RegisterPath; the answer stays open and
// carries one Command per line. Updates are posted to UpdatePath.
const (
	RegisterPath   = "/dev/agent"
	UpdatePath     = "/dev/agent/update"
	UnregisterPath = "/dev/agent/unregister"
)

// A Registration introduces an agent, new (no ID) or back again.
type Registration struct {
	ID         string
	Hostname   string
	IP         string
	Port       int
	Attributes string
	Resources  string
	Frameworks [][]byte // mesos.FrameworkInfo of every task's framework
	Tasks      []Task   // that the agent still has
}

// A Task is one that an agent brings along.
type Task struct {
	FrameworkID string
	Info        []byte   // mesos.TaskInfo
	Statuses    [][]byte // mesos.TaskStatus, the last being the latest
}

// The kinds of Command.
const (
	Registered        = "registered" // AgentID
	Refused           = "refused"    // Reason; the agent ends
	Ping              = "ping"
	Launch            = "launch" // Framework, Task
	Kill              = "kill"   // FrameworkID, TaskID, KillPolicy
	Acknowledge       = "acknowledge"
	FrameworkBack     = "framework-back"     // FrameworkID: send again what is unacknowledged
	ShutdownFramework = "shutdown-framework" // FrameworkID
)

// A Command is one line from master to agent.
type Command struct {
	Kind        string
	Reason      string `json:",omitempty"`
	AgentID     string `json:",omitempty"`
	FrameworkID string `json:",omitempty"`
	TaskID      string `json:",omitempty"`
	UUID        []byte `json:",omitempty"`
	Framework   []byte `json:",omitempty"` // mesos.FrameworkInfo
	Task        []byte `json:",omitempty"` // mesos.TaskInfo
	KillPolicy  []byte `json:",omitempty"` // mesos.KillPolicy
}

// An Update is a status update on its way to the scheduler.
type Update struct {
	AgentID     string
	FrameworkID string
	Status      []byte // mesos.TaskStatus
	Latest      string // TaskState by name
}

// An Unregistration takes an agent out for good (SIGUSR1).
type Unregistration struct{ AgentID string }

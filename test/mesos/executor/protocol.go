package executor

import (
	"encoding/json"
	"net"
	"sync"
	"time"
)

// A Spec is what the agent leaves for the executor to read when it starts.
type Spec struct {
	ContainerID string
	Socket      string // the agent's
	Sandbox     string
	Environment []string // of the task
	Task        []byte   // mesos.TaskInfo
	Framework   []byte   // mesos.FrameworkInfo
	User        string   // "" = that of the agent
	Mounts      []Mount
	Checkpoint  bool // survive the agent
}

// A Mount is a directory bound into the container's own mount namespace.
type Mount struct {
	Source   string
	Target   string
	ReadOnly bool
}

// The kinds of Message. The executor subscribes and sends updates; the agent
// confirms that it has stored them, and kills.
const (
	Subscribe  = "subscribe" // ContainerID, PID
	Subscribed = "subscribed"
	Update     = "update"   // Status
	Received   = "received" // UUID
	Kill       = "kill"     // Grace
)

// A Message is one line on the socket, either way.
type Message struct {
	Kind        string
	ContainerID string        `json:",omitempty"`
	PID         int           `json:",omitempty"`
	Status      []byte        `json:",omitempty"` // mesos.TaskStatus
	UUID        []byte        `json:",omitempty"`
	Grace       time.Duration `json:",omitempty"`
}

// A Conn carries messages.
type Conn struct {
	net.Conn
	decoder *json.Decoder
	mu      sync.Mutex
}

// NewConn wraps a connection.
func NewConn(c net.Conn) *Conn { return &Conn{Conn: c, decoder: json.NewDecoder(c)} }

// Send writes one message; it may be called from several goroutines.
func (c *Conn) Send(m Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	return json.NewEncoder(c.Conn).Encode(m)
}

// Receive reads the next message.
func (c *Conn) Receive() (Message, error) {
	var m Message
	err := c.decoder.Decode(&m)
	return m, err
}

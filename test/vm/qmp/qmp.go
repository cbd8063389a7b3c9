package qmp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
)

// Event of the machine, such as SHUTDOWN or DEVICE_DELETED.
type Event struct {
	Name string          `json:"event"`
	Data json.RawMessage `json:"data"`
}

// Error that qemu answers with.
type Error struct {
	Class       string `json:"class"`
	Description string `json:"desc"`
}

func (e *Error) Error() string { return e.Description + " (" + e.Class + ")" }

// Client of one machine.
type Client struct {
	conn net.Conn
	mu   sync.Mutex // one command at a time

	answers chan answer
	events  chan Event
	ended   chan struct{}
}

type answer struct {
	Return json.RawMessage `json:"return"`
	Error  *Error          `json:"error"`
}

// ErrEnded means that qemu is gone.
var ErrEnded = errors.New("qemu has closed its control line")

// eventsKept until somebody waits for them; more are dropped, the oldest first.
const eventsKept = 256

// New takes a connection over and agrees on the protocol.
func New(ctx context.Context, conn net.Conn) (*Client, error) {
	c := &Client{conn: conn, answers: make(chan answer, 1), events: make(chan Event, eventsKept), ended: make(chan struct{})}
	go c.read()
	if _, err := c.Execute(ctx, "qmp_capabilities", nil); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) read() {
	defer close(c.ended)
	in := json.NewDecoder(c.conn)
	for {
		var message struct {
			Event
			answer
			Greeting json.RawMessage `json:"QMP"`
		}
		if in.Decode(&message) != nil {
			return
		}
		switch {
		case message.Greeting != nil:
		case message.Name != "":
			c.keep(message.Event)
		default:
			c.answers <- message.answer
		}
	}
}

func (c *Client) keep(e Event) {
	for {
		select {
		case c.events <- e:
			return
		default:
		}
		select {
		case <-c.events:
		default:
		}
	}
}

// Execute a command and wait for its answer.
func (c *Client) Execute(ctx context.Context, command string, arguments any) (json.RawMessage, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line, err := json.Marshal(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
	}{command, arguments})
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", command, err)
	}
	if _, err := c.conn.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("sending %s: %w: %w", command, ErrEnded, err)
	}
	select {
	case a := <-c.answers:
		if a.Error != nil {
			return nil, fmt.Errorf("executing %s: %w", command, a.Error)
		}
		return a.Return, nil
	case <-c.ended:
		return nil, fmt.Errorf("executing %s: %w", command, ErrEnded)
	case <-ctx.Done():
		_ = c.conn.Close() // its answer would be taken for the next one's
		return nil, fmt.Errorf("executing %s: %w", command, context.Cause(ctx))
	}
}

// Wait for an event of this name; those before it are passed over.
func (c *Client) Wait(ctx context.Context, name string) (Event, error) {
	for {
		select {
		case e := <-c.events:
			if e.Name == name {
				return e, nil
			}
		case <-c.ended:
			return Event{}, fmt.Errorf("waiting for %s: %w", name, ErrEnded)
		case <-ctx.Done():
			return Event{}, fmt.Errorf("waiting for %s: %w", name, context.Cause(ctx))
		}
	}
}

// Close the line.
func (c *Client) Close() error { return c.conn.Close() }

package serial

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"
)

// Hello is the machine's first line after each boot.
type Hello struct {
	BootID string `json:"bootId"`
	Kernel string `json:"kernel"`
}

// Command to run as root, without a shell.
type Command struct {
	ID      int64         `json:"id"`
	Argv    []string      `json:"argv"`
	Stdin   []byte        `json:"stdin,omitempty"`
	Timeout time.Duration `json:"timeout"`
}

// Result of a command. Err says why it couldn't run or was cut short.
type Result struct {
	ID     int64  `json:"id"`
	Code   int    `json:"code"`
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
	Err    string `json:"err,omitempty"`
}

// Serve is the machine's side: it greets, then runs what comes until the line ends.
func Serve(line io.ReadWriter, hello Hello) error {
	out := json.NewEncoder(line) // one line each
	if err := out.Encode(hello); err != nil {
		return fmt.Errorf("greeting: %w", err)
	}
	in := json.NewDecoder(line)
	for {
		var c Command
		if err := in.Decode(&c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading a command: %w", err)
		}
		if err := out.Encode(c.run()); err != nil {
			return fmt.Errorf("answering: %w", err)
		}
	}
}

func (c Command) run() Result {
	r := Result{ID: c.ID}
	if len(c.Argv) == 0 {
		r.Err = "no command"
		return r
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.WaitDelay = 5 * time.Second // a daemon that it left behind may hold its output
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(c.Stdin), &stdout, &stderr
	err := cmd.Run()
	r.Stdout, r.Stderr = stdout.Bytes(), stderr.Bytes()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		r.Err = fmt.Sprintf("not ended within %v", c.Timeout)
	case errors.As(err, &exit) && exit.Exited():
		r.Code = exit.ExitCode()
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		r.Err = err.Error()
	}
	return r
}

// Client is the host's side.
type Client struct {
	line io.ReadWriteCloser
	mu   sync.Mutex // one command at a time
	id   int64

	greeted chan Hello
	results chan Result
	ended   chan struct{}
}

// NewClient reads the line until it is closed.
func NewClient(line io.ReadWriteCloser) *Client {
	c := &Client{line: line, greeted: make(chan Hello, 1), results: make(chan Result, 1), ended: make(chan struct{})}
	go c.read()
	return c
}

// read takes lines apart. What is no message (a kernel that writes to all its lines) is passed over.
func (c *Client) read() {
	defer close(c.ended)
	in := bufio.NewReader(c.line)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			return
		}
		var message struct {
			Hello
			Result
		}
		if json.Unmarshal(line, &message) != nil {
			continue
		}
		if message.BootID != "" {
			offer(c.greeted, message.Hello)
		} else {
			offer(c.results, message.Result)
		}
	}
}

// offer keeps the newest: one that nobody waited for is of no use any more.
func offer[T any](to chan T, v T) {
	select {
	case <-to:
	default:
	}
	to <- v
}

// ErrEnded means that the machine is gone.
var ErrEnded = errors.New("the machine's line has ended")

// Greeting waits for the machine's first line.
func (c *Client) Greeting(ctx context.Context) (Hello, error) {
	select {
	case hello := <-c.greeted:
		return hello, nil
	case <-c.ended:
		return Hello{}, ErrEnded
	case <-ctx.Done():
		return Hello{}, context.Cause(ctx)
	}
}

// Run a command to its end. The machine itself bounds it by timeout; ctx bounds the waiting.
func (c *Client) Run(ctx context.Context, timeout time.Duration, stdin []byte, argv ...string) (Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.id++
	ctx, cancel := context.WithTimeoutCause(ctx, timeout+30*time.Second, errors.New("no answer"))
	defer cancel()
	line, err := json.Marshal(Command{ID: c.id, Argv: argv, Stdin: stdin, Timeout: timeout})
	if err != nil {
		return Result{}, fmt.Errorf("encoding %q: %w", argv, err)
	}
	if _, err := c.line.Write(append(line, '\n')); err != nil {
		return Result{}, fmt.Errorf("sending %q: %w: %w", argv, ErrEnded, err)
	}
	for {
		select {
		case r := <-c.results:
			if r.ID != c.id {
				continue // of one that was given up
			}
			if r.Err != "" {
				return r, fmt.Errorf("running %q: %s", argv, r.Err)
			}
			return r, nil
		case <-c.ended:
			return Result{}, fmt.Errorf("running %q: %w", argv, ErrEnded)
		case <-ctx.Done():
			return Result{}, fmt.Errorf("running %q: %w", argv, context.Cause(ctx))
		}
	}
}

// Close the host's end.
func (c *Client) Close() error { return c.line.Close() }

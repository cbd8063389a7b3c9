package scli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/wire"
)

// Exit codes of the product.
const (
	exitOK    = 0
	exitLocal = 1 // no connection, wrong usage
	exitMDM   = 7 // the MDM answered with an error
)

// A failure is scli's own, in the product's words: a sentence, unlike other errors here.
type failure string

func (f failure) Error() string { return string(f) }

func failuref(format string, args ...any) error { return failure(fmt.Sprintf(format, args...)) }

// A Terminal is where passwords are asked: never standard input.
type Terminal interface {
	ReadPassword(prompt string) (string, error)
	Close() error
}

// Env is everything a run of scli touches.
type Env struct {
	Args     []string
	Stdin    io.Reader
	Stdout   io.Writer
	Stderr   io.Writer
	Dir      string // the OS user's session and approved certificates
	Terminal func() (Terminal, error)
}

// Main is the command line.
func Main(args []string) int {
	return Run(context.Background(), Env{Args: args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Dir: userDir(), Terminal: openTTY})
}

// A run is one execution of one command.
type run struct {
	Env
	*arguments
	ctx   context.Context
	store store
	conn  *mgmt.Conn
}

// Run executes one command line and returns its exit code.
func Run(ctx context.Context, env Env) int {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	args, err := parseArgs(env.Args)
	if err != nil || args.has("help") {
		name := ""
		if args != nil {
			name = args.command.name
		} else if u := (usageError{}); errors.As(err, &u) {
			name = u.command
		}
		printUsage(env.Stdout, name)
		return exitLocal
	}
	r := &run{Env: env, arguments: args, ctx: ctx, store: store{env.Dir}}
	err = r.execute()
	if r.conn != nil {
		_ = r.conn.Close()
	}
	var fault *mgmt.Fault
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		printUsage(env.Stdout, usage.command)
		return exitLocal
	case errors.As(err, &fault):
		// Two blanks, as the product prints them and as its users match them.
		fmt.Fprintf(env.Stderr, "Error: MDM failed command.  Status: %s\n", fault.Text)
		return exitMDM
	}
	fmt.Fprintf(env.Stderr, "Error: %v\n", err)
	return exitLocal
}

func printUsage(w io.Writer, name string) {
	c, ok := commands[name]
	if !ok {
		fmt.Fprintln(w, "Usage: scli --<command> [--mdm_ip <IP>] [parameters]   (stand-in for tests, not the vendor's software)")
		return
	}
	var params []string
	for _, p := range strings.Fields(c.params) {
		bare := strings.TrimRight(p, "?!")
		text := "--" + bare
		if !strings.HasSuffix(p, "?") {
			text += " <" + strings.ToUpper(bare) + ">"
		}
		if !strings.HasSuffix(p, "!") {
			text = "[" + text + "]"
		}
		params = append(params, text)
	}
	fmt.Fprintf(w, "Usage: scli --%s %s\n", c.name, strings.Join(params, " "))
}

func (r *run) execute() error {
	if r.command.sure && !r.has("i_am_sure") {
		fmt.Fprint(r.Stdout, "This operation may not be reversible. Press 'y' and then Enter to confirm.")
		if !r.confirmed() {
			return failure("The operation was not confirmed")
		}
	}
	return r.command.run(r)
}

func (r *run) confirmed() bool {
	line, _ := bufio.NewReader(r.Stdin).ReadString('\n')
	return strings.EqualFold(strings.TrimSpace(line), "y")
}

func (r *run) print(format string, args ...any) { fmt.Fprintf(r.Stdout, format+"\n", args...) }

// call sends a command to the master among the addresses given.
func (r *run) call(cmd string, args, result any) error {
	if r.conn == nil {
		if err := r.connect(r.hosts()); err != nil {
			return err
		}
	}
	err := r.conn.Call(r.ctx, r.store.session(), cmd, args, result)
	var fault *mgmt.Fault
	if err != nil && !errors.As(err, &fault) {
		return failure("Connection to the MDM was lost before the command was answered")
	}
	return err
}

func (r *run) hosts() []string {
	if hosts := r.list("mdm_ip"); hosts != nil {
		return hosts
	}
	return []string{"127.0.0.1"}
}

// connect takes the first address whose management port is open: only the master's is. If there is none, a member's cluster port tells why.
func (r *run) connect(hosts []string) error {
	trust := &mgmt.Trust{Approve: r.approve}
	r.store.loadTrust(trust)
	for _, port := range []int{wire.PortMDMManagement, wire.PortMDMCluster} {
		for _, host := range hosts {
			conn, err := mgmt.Dial(r.ctx, "scli", mgmt.Address(host, port), trust)
			if errors.Is(err, errNotApproved) {
				return err
			}
			if err == nil {
				r.conn = conn
				return nil
			}
		}
	}
	return failuref("Failed to connect to MDM %s:%d", strings.Join(hosts, ","), wire.PortMDMManagement)
}

// single is for the commands that take one address and no list.
func (r *run) single(host string) error {
	if strings.Contains(host, ",") {
		return failuref("Failed to connect to MDM %s:%d", host, wire.PortMDMManagement)
	}
	return r.connect([]string{host})
}

func (r *run) view() (mgmt.View, error) {
	var v mgmt.View
	return v, r.call(mgmt.CmdView, nil, &v)
}

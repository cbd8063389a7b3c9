package scaleio

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// Commands run a program without a shell; a non-zero exit is a *platform.ExitError.
type Commands interface {
	Run(ctx context.Context, cmd platform.Cmd) (platform.Output, error)
}

// A CLI runs scli on this node. Its login session belongs to the OS user, so everything between login and logout happens under one lock.
type CLI struct {
	commands Commands
	options  Options
}

// Options of a CLI; the zero value asks the MDM of this node only.
type Options struct {
	Path     string          // PathCLI
	Lock     string          // file that is locked around a session; in Home, if there is one
	Home     string          // HOME of scli: its session file is ours alone, so that a person's logout doesn't end it
	Listed   func() []string // addresses of the MDMs that the cluster has: their certificate is accepted at first sight, no other's
	Timeout  time.Duration   // of one command; CallTimeout
	Dialogue Dialogue        // a command on a terminal of its own; Terminal.Converse
}

// CallTimeout of one command or request. It must be well below api.LeaderLeaseTTL: no act may outlive the right to it.
const CallTimeout = 8 * time.Second

// NewCLI fills in what the options leave out.
func NewCLI(commands Commands, o Options) *CLI {
	if o.Path == "" {
		o.Path = PathCLI
	}
	if o.Lock == "" && o.Home != "" {
		o.Lock = filepath.Join(o.Home, "scli.lock")
	}
	if o.Timeout == 0 {
		o.Timeout = CallTimeout
	}
	if o.Dialogue == nil {
		o.Dialogue = Terminal{}.Converse
	}
	return &CLI{commands: commands, options: o}
}

// QueryCluster asks the MDM at ip, "" = this node's. It needs no session and works on any member of a cluster, one address at a time. A node
// whose MDM belongs to no cluster answers with KindNoCluster.
func (c *CLI) QueryCluster(ctx context.Context, ip string) (Cluster, error) {
	out, err := c.run(ctx, ip, "query_cluster")
	if err != nil {
		return Cluster{}, err
	}
	return ParseQueryCluster(out)
}

// CreateCluster says what create_mdm_cluster is told. The licence is the operator's to accept.
type CreateCluster struct {
	Name          string // of the first MDM
	IPs           []string
	ManagementIPs []string
	AcceptLicence bool
}

// CreateCluster makes the MDM of this node the master of a new cluster of one node. KindExists: there is one already, look again.
func (c *CLI) CreateCluster(ctx context.Context, want CreateCluster) error {
	if !want.AcceptLicence {
		return errors.New("creating the MDM cluster: the licence isn't accepted")
	}
	args := []string{"--master_mdm_ip", list(want.IPs), "--master_mdm_management_ip", list(want.ManagementIPs),
		"--master_mdm_name", want.Name, "--accept_license"}
	out, err := c.run(ctx, "", "create_mdm_cluster", args...)
	if err != nil {
		return err
	}
	return expect("create_mdm_cluster", out, "Successfully created the MDM Cluster")
}

// run one command without a session; ip "" is the MDM of this node.
func (c *CLI) run(ctx context.Context, ip, command string, args ...string) (string, error) {
	full := c.arguments(ip, command, args)
	out, err := c.commands.Run(ctx, platform.Cmd{Path: c.options.Path, Args: full, Env: c.env(), Timeout: c.options.Timeout})
	if err == nil {
		// Bad syntax is told on stdout, and not by every version with an exit status.
		if strings.HasPrefix(strings.TrimSpace(string(out.Stdout)), "Usage: scli") {
			return "", commandError(command, 0, string(out.Stdout), "")
		}
		return string(out.Stdout), nil
	}
	var exit *platform.ExitError
	if errors.As(err, &exit) {
		return "", commandError(command, exit.Code, exit.Stdout, exit.Stderr)
	}
	return "", fmt.Errorf("running scli --%s: %w", command, err)
}

func (c *CLI) arguments(ip, command string, args []string) []string {
	var full []string
	if ip != "" {
		full = append(full, "--mdm_ip", ip)
	}
	full = append(append(full, "--"+command), args...)
	if ip == "" || c.options.Listed != nil && contains(c.options.Listed(), ip) {
		full = append(full, "--approve_certificate")
	}
	return full
}

func (c *CLI) env() map[string]string {
	if c.options.Home == "" {
		return nil
	}
	return map[string]string{"HOME": c.options.Home}
}

func list(items []string) string { return strings.Join(items, ",") }

// expect a success text; another text means that it isn't known what happened.
func expect(command, out string, starts ...string) error {
	said := strings.TrimSpace(out)
	for _, line := range strings.Split(said, "\n") {
		for _, s := range starts {
			if strings.HasPrefix(strings.TrimSpace(line), s) {
				return nil
			}
		}
	}
	return unknown(command, said, out)
}

// Credentials of an account of the product.
type Credentials struct {
	User     string
	Password api.Secret
}

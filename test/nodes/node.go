package nodes

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// Node is one machine: it keeps its file system, disks, machine-id and address
// over Stop, Kill and Reboot.
type Node struct {
	Name    string  `json:"name"`
	Kind    Kind    `json:"kind"`
	Usr     string  `json:"usr,omitempty"` // the image that is mounted read-only at /usr from the next boot on; empty = /usr is a part of the root
	Address string  `json:"address"`
	Disks   []Disk  `json:"disks"`
	Keeper  Process `json:"keeper"` // the process that runs the machine

	cluster *Cluster
}

// bootWithin bounds one boot; about 10 seconds are usual, more while the
// host's cores are busy.
const bootWithin = 3 * time.Minute

// AddNode makes the next machine, n1, n2 and so on, without starting it: a plain
// one, of the kind Ubuntu.
func (c *Cluster) AddNode(ctx context.Context, disks ...Content) (*Node, error) {
	return c.AddNodeOf(ctx, Ubuntu, disks...)
}

// AddNodeOf is AddNode for any kind whose root the cluster was made with.
func (c *Cluster) AddNodeOf(ctx context.Context, kind Kind, disks ...Content) (*Node, error) {
	if c.state.Roots[kind] == "" {
		return nil, fmt.Errorf("making a node: the cluster %s was made without a root for the kind %q", c.Name, kind)
	}
	c.mu.Lock()
	index := len(c.state.Nodes) + 1
	node := &Node{Name: "n" + strconv.Itoa(index), Kind: kind, Address: nodeAddress(index), cluster: c}
	if kind == Flatcar {
		node.Usr = filepath.Join(c.state.Roots[kind], "usr")
	}
	c.state.Nodes = append(c.state.Nodes, node)
	c.mu.Unlock()
	for _, dir := range []string{"upper/etc", "work", "root"} {
		if err := os.MkdirAll(node.path(dir), 0o755); err != nil {
			return nil, fmt.Errorf("making the node %s: %w", node.Name, err)
		}
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	for path, text := range map[string]string{
		"/etc/machine-id":   hex.EncodeToString(id) + "\n",
		"/etc/hostname":     node.Name + "\n",
		"/etc/node-network": "ADDRESS=" + node.Address + prefix + "\nGATEWAY=" + Gateway + "\n",
	} {
		if err := node.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	for _, content := range disks {
		if _, err := node.AddDisk(ctx, content); err != nil {
			return nil, err
		}
	}
	return node, c.save()
}

func (n *Node) machine() string { return n.cluster.Name + "-" + n.Name }

func (n *Node) path(elem ...string) string {
	return n.cluster.Path(append([]string{"nodes", n.Name}, elem...)...)
}

// AddDisk gives the node another disk, also while it runs.
func (n *Node) AddDisk(ctx context.Context, content Content) (Disk, error) {
	image := n.path("disks", fmt.Sprintf("%d-%s.img", len(n.Disks)+1, content))
	disk, err := makeDisk(ctx, image, content)
	if err != nil {
		return disk, fmt.Errorf("adding a disk to %s: %w", n.Name, err)
	}
	n.cluster.mu.Lock()
	n.Disks = append(n.Disks, disk)
	n.cluster.mu.Unlock()
	if err := errors.Join(n.cluster.save(), n.writeKeeperFile()); err != nil {
		return disk, err
	}
	if _, err := n.init(); err != nil {
		return disk, nil // not running: it finds the disk when it boots
	}
	minor := strings.TrimPrefix(disk.Device, "/dev/loop")
	_, err = n.Output(ctx, "mknod", disk.Device, "b", "7", minor)
	return disk, err
}

// WriteFile puts a file on the node, running or not.
func (n *Node) WriteFile(path string, data []byte, mode fs.FileMode) error {
	root := n.path("upper")
	if init, err := n.init(); err == nil {
		root = fmt.Sprintf("/proc/%d/root", init)
	}
	err := os.MkdirAll(filepath.Join(root, filepath.Dir(path)), 0o755)
	if err == nil {
		err = renameio.WriteFile(filepath.Join(root, path), data, mode, renameio.IgnoreUmask())
	}
	if err != nil {
		return fmt.Errorf("writing %s on %s: %w", path, n.Name, err)
	}
	return nil
}

// ReadFile reads a file of a running node, with what is mounted there.
func (n *Node) ReadFile(path string) ([]byte, error) {
	init, err := n.init()
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(filepath.Join(fmt.Sprintf("/proc/%d/root", init), path))
	if err != nil {
		return nil, fmt.Errorf("reading %s on %s: %w", path, n.Name, err)
	}
	return data, nil
}

// writeKeeperFile tells the keeper how to run the machine; it is read anew at
// every boot.
func (n *Node) writeKeeperFile() error {
	k := keeperFile{
		Machine: n.machine(), Hostname: n.Name, Network: n.cluster.network().path(),
		Lower: n.cluster.state.Roots[n.Kind], Upper: n.path("upper"), Work: n.path("work"), Root: n.path("root"),
		Cgroup: string(n.cluster.cgroup()) + "/" + n.Name,
	}
	k.Usr = n.Usr
	for _, disk := range n.Disks {
		k.Devices = append(k.Devices, disk.Device)
	}
	data, err := json.MarshalIndent(k, "", "  ")
	if err == nil {
		err = renameio.WriteFile(n.path("keeper.json"), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("preparing the node %s: %w", n.Name, err)
	}
	return nil
}

// Start boots the machine and returns once systemd in it says that it runs.
func (n *Node) Start(ctx context.Context) error {
	if n.Keeper.Alive() {
		return fmt.Errorf("starting %s: it runs already", n.Name)
	}
	if err := n.writeKeeperFile(); err != nil {
		return err
	}
	cmd, err := n.cluster.helper(nil, verbRunNode, n.path("keeper.json"))
	if err != nil {
		return err
	}
	keeper, err := n.cluster.start("node-"+n.Name, cmd)
	if err != nil {
		return err
	}
	n.cluster.mu.Lock()
	n.Keeper = keeper
	n.cluster.mu.Unlock()
	if err := n.cluster.save(); err != nil {
		return err
	}
	return n.WaitBooted(ctx)
}

// WaitBooted returns once every unit of the boot has started, or one failed.
func (n *Node) WaitBooted(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, bootWithin, fmt.Errorf("not booted within %v", bootWithin))
	defer cancel()
	answer := "nothing"
	err := poll(ctx, n.Name+" to boot", func() bool {
		if !n.Keeper.Alive() {
			return true
		}
		result, err := n.Run(ctx, "systemctl", "is-system-running")
		if said := strings.TrimSpace(result.Stdout); err == nil && said != "" {
			answer = said
		}
		return answer == "running" || answer == "degraded"
	})
	if err == nil && answer != "running" {
		failed, _ := n.Run(ctx, "systemctl", "--failed", "--no-legend", "--plain")
		err = fmt.Errorf("systemd says %q: %s", answer, strings.TrimSpace(failed.Stdout))
	}
	if err != nil {
		return fmt.Errorf("booting %s (see %s): %w", n.Name, n.cluster.Path("log", "node-"+n.Name+".log"), err)
	}
	return nil
}

// Running is whether the machine has power.
func (n *Node) Running() bool { return n.Keeper.Alive() }

// init is the id of the machine's init process, as the host counts.
func (n *Node) init() (int, error) {
	if n.Keeper.Alive() {
		for _, nspawn := range childrenOf(n.Keeper.PID) {
			for _, pid := range childrenOf(nspawn) {
				if isInit(pid) {
					return pid, nil
				}
			}
		}
	}
	return 0, fmt.Errorf("finding the init process of %s: it doesn't run", n.Name)
}

// Run runs a command on the node, as root, outside of every unit.
func (n *Node) Run(ctx context.Context, argv ...string) (Result, error) {
	line, err := n.Shell(argv...)
	if err != nil {
		return Result{}, err
	}
	return execute(ctx, nil, line...)
}

// Output is Run for a command that must succeed.
func (n *Node) Output(ctx context.Context, argv ...string) (string, error) {
	result, err := n.Run(ctx, argv...)
	if err == nil {
		err = result.mustSucceed(argv)
	}
	if err != nil {
		return result.Stdout, fmt.Errorf("on %s: %w", n.Name, err)
	}
	return result.Stdout, nil
}

// What systemd as a machine's init does on SIGRTMIN+4 and +5, counted from the
// C library's SIGRTMIN.
const (
	sigPowerOff = unix.Signal(34 + 4)
	sigReboot   = unix.Signal(34 + 5)
)

func (n *Node) power(button unix.Signal) error {
	init, err := n.init()
	if err == nil {
		err = unix.Kill(init, button)
	}
	if err != nil {
		return fmt.Errorf("pressing the power button of %s: %w", n.Name, err)
	}
	return nil
}

// Stop shuts the machine down as its power button would; after a minute it
// loses power.
func (n *Node) Stop(ctx context.Context) error {
	if n.power(sigPowerOff) == nil {
		patient, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		if n.Keeper.wait(patient) == nil {
			return nil
		}
	}
	return n.Kill(ctx)
}

// Kill cuts the machine's power.
func (n *Node) Kill(ctx context.Context) error {
	if init, err := n.init(); err == nil {
		if err := abortFUSE(init); err != nil {
			return fmt.Errorf("cutting the power of %s: %w", n.Name, err)
		}
		// Every process of the machine dies with its init. systemd-nspawn and the
		// keeper then end by themselves, each reaped by its parent.
		_ = unix.Kill(init, unix.SIGKILL)
		brief, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		if n.Keeper.wait(brief) == nil {
			return nil
		}
	}
	// Without an init it was about to boot: systemd-nspawn dies with the keeper.
	if err := n.Keeper.signal(unix.SIGKILL); err != nil {
		return fmt.Errorf("cutting the power of %s: %w", n.Name, err)
	}
	return n.Keeper.wait(ctx)
}

// Reboot restarts the machine in order and returns once it runs again.
func (n *Node) Reboot(ctx context.Context) error {
	before, err := n.Output(ctx, "cat", "/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	if err := n.power(sigReboot); err != nil {
		return err
	}
	limited, cancel := context.WithTimeoutCause(ctx, bootWithin, fmt.Errorf("not within %v", bootWithin))
	defer cancel()
	err = poll(limited, n.Name+" to reboot", func() bool {
		now, err := n.Run(limited, "cat", "/proc/sys/kernel/random/boot_id")
		return err == nil && now.Code == 0 && now.Stdout != before
	})
	if err != nil {
		return err
	}
	return n.WaitBooted(ctx)
}

// Link makes a symbolic link on a node that doesn't run.
func (n *Node) Link(path, target string) error {
	link := filepath.Join(n.path("upper"), path)
	err := os.MkdirAll(filepath.Dir(link), 0o755)
	if err == nil {
		err = os.Symlink(target, link)
	}
	if err != nil {
		return fmt.Errorf("linking %s on %s: %w", path, n.Name, err)
	}
	return nil
}

// SetUsr gives a node with a read-only /usr another image, from its next boot on: an update of its system, or the way back.
func (n *Node) SetUsr(dir string) error {
	if n.Usr == "" {
		return fmt.Errorf("changing the image of %s: its /usr is a part of its root", n.Name)
	}
	n.cluster.mu.Lock()
	n.Usr = dir
	n.cluster.mu.Unlock()
	return errors.Join(n.cluster.save(), n.writeKeeperFile())
}

package nodes

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Addresses of the cluster's network. It exists only inside the cluster's own
// network namespace, so every cluster can use the same ones.
const (
	Gateway = "10.77.0.1" // the bridge: Mesos master, mirror, scheduler
	prefix  = "/24"
	bridge  = "sio0"
)

// nodeAddress is n1's 10.77.0.11, n2's 10.77.0.12 and so on.
// maxNodes have addresses.
const maxNodes = 200

func nodeAddress(index int) string { return fmt.Sprintf("10.77.0.%d", 10+index) }

// network is a network namespace with a bridge in it.
type network struct{ namespace string }

func (n network) path() string { return "/run/netns/" + n.namespace }

func (n network) create(ctx context.Context) error {
	for _, argv := range [][]string{
		{"ip", "netns", "add", n.namespace},
		{"ip", "-n", n.namespace, "link", "set", "lo", "up"},
		{"ip", "-n", n.namespace, "link", "add", bridge, "type", "bridge"},
		{"ip", "-n", n.namespace, "address", "add", Gateway + prefix, "dev", bridge},
		{"ip", "-n", n.namespace, "link", "set", bridge, "up"},
	} {
		if _, err := output(ctx, argv...); err != nil {
			return fmt.Errorf("making the network %s: %w", n.namespace, err)
		}
	}
	return nil
}

// AddAddress gives the bridge's side another address: what listens there is on another host, as far as a node can tell.
func (c *Cluster) AddAddress(ctx context.Context, address string) error {
	if _, err := output(ctx, "ip", "-n", c.network().namespace, "address", "add", address+prefix, "dev", bridge); err != nil {
		return fmt.Errorf("adding the address %s: %w", address, err)
	}
	return nil
}

// destroy removes the name; the kernel drops bridge and links once the last
// process in the namespace is gone, which is before this is called.
func (n network) destroy(ctx context.Context) error {
	if _, err := os.Stat(n.path()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	_, err := output(ctx, "ip", "netns", "delete", n.namespace)
	return err
}

// inside is the command line that runs argv in the namespace: nsenter replaces
// itself by it, so the process id stays. (`ip netns exec` would mount another
// /sys, without cgroups.)
func (n network) inside(argv ...string) []string {
	return append([]string{"nsenter", "--net=" + n.path(), "--"}, argv...)
}

// port is the bridge's side of a node's cable, as systemd-nspawn names it.
func (n *Node) port() string { return "vb-" + n.machine() }

// CutNetwork pulls the node's cable: its address stays, nothing gets through.
func (n *Node) CutNetwork(ctx context.Context) error { return n.setPort(ctx, "down") }

// RestoreNetwork puts it back.
func (n *Node) RestoreNetwork(ctx context.Context) error { return n.setPort(ctx, "up") }

// NarrowNetwork lets packets of more than mtu bytes to and from the node vanish without a word, as a switch on the way does: its own side doesn't know. Sender and
// receiver are to send them one by one (PacketsOneByOne), since a bridge hands on what is yet to be cut up.
func (n *Node) NarrowNetwork(ctx context.Context, mtu int) error {
	return n.setPort(ctx, "mtu", strconv.Itoa(mtu))
}

// PacketsOneByOne has the node's kernel cut TCP into packets itself, not the network card.
func (n *Node) PacketsOneByOne(ctx context.Context) error {
	_, err := n.Output(ctx, "ip", "link", "set", "dev", "host0", "gso_max_segs", "1")
	return err
}

func (n *Node) setPort(ctx context.Context, to ...string) error {
	_, err := output(ctx, append([]string{"ip", "-n", n.cluster.network().namespace, "link", "set", n.port()}, to...)...)
	if err != nil {
		return fmt.Errorf("setting the network of %s to %v: %w", n.Name, to, err)
	}
	return nil
}

// Dial connects from inside the cluster's network; the address must be numeric,
// as a look-up of names may leave the thread that is there.
func (c *Cluster) Dial(ctx context.Context, protocol, address string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result)
	go func() {
		conn, err := c.network().dial(ctx, protocol, address)
		done <- result{conn, err}
	}()
	r := <-done
	if r.err != nil {
		return nil, fmt.Errorf("connecting from inside %s: %w", c.Name, r.err)
	}
	return r.conn, nil
}

// dial moves its thread to the namespace. The thread is never unlocked, so it
// ends with the goroutine and nothing else ever runs there.
func (n network) dial(ctx context.Context, protocol, address string) (net.Conn, error) {
	namespace, err := os.Open(n.path())
	if err != nil {
		return nil, fmt.Errorf("opening the network: %w", err)
	}
	defer namespace.Close()
	runtime.LockOSThread()
	if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNET); err != nil {
		return nil, fmt.Errorf("entering the network: %w", err)
	}
	return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, protocol, address)
}

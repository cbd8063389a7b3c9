package nodes

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// enter runs a command on the machine of an init process and ends as it does.
//
// nsenter(1) stops itself whenever its child is stopped, as a shell's job would.
// systemd stops every process of a machine that goes down, before it ends them: an
// nsenter that stopped too never reaps its child, and the kernel lets no machine
// end that has an unreaped process. This one only waits.
func enter(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: enter PID COMMAND [ARG ...]")
	}
	// Namespaces and the root belong to a thread: the child is made by this one.
	runtime.LockOSThread()
	if err := enterNamespaces("/proc/" + args[0]); err != nil {
		return fmt.Errorf("entering the machine of process %s: %w", args[0], err)
	}
	// What a terminal sends goes to the command as well: this one outlives it.
	// (Ignored signals would be ignored by the command too.)
	signal.Notify(make(chan os.Signal, 1), unix.SIGINT, unix.SIGQUIT)
	cmd := exec.Command(args[1], args[2:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		os.Exit(128 + int(status.Signal()))
	}
	os.Exit(exit.ExitCode())
	return nil
}

func enterNamespaces(process string) error {
	root, err := os.Open(process + "/root")
	if err != nil {
		return err
	}
	defer root.Close()
	// The mount namespace comes last: /proc is another one behind it.
	for _, name := range []string{"cgroup", "ipc", "uts", "net", "pid", "mnt"} {
		namespace, err := os.Open(filepath.Join(process, "ns", name))
		if err != nil {
			return err
		}
		defer namespace.Close()
		if name == "mnt" {
			// A thread that shares its root with others can't change it.
			if err := unix.Unshare(unix.CLONE_FS); err != nil {
				return fmt.Errorf("leaving the other threads' root: %w", err)
			}
		}
		if err := unix.Setns(int(namespace.Fd()), 0); err != nil {
			return fmt.Errorf("joining its %s namespace: %w", name, err)
		}
	}
	// On a host that is itself a chroot, the root of the machine's mount namespace
	// is not the machine's root.
	if err := root.Chdir(); err != nil {
		return err
	}
	return unix.Chroot(".")
}

// Shell is the command line, for the host, that runs argv on the node.
func (n *Node) Shell(argv ...string) ([]string, error) {
	init, err := n.init()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the own executable: %w", err)
	}
	return append([]string{self, verbEnter, strconv.Itoa(init)}, argv...), nil
}

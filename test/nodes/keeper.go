package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// rebootStatus is systemd-nspawn's exit status when the machine wants to reboot.
const rebootStatus = 133

type keeperFile struct {
	Machine  string   `json:"machine"`
	Hostname string   `json:"hostname"`
	Network  string   `json:"network"`
	Lower    string   `json:"lower"`
	Upper    string   `json:"upper"`
	Work     string   `json:"work"`
	Root     string   `json:"root"`
	Usr      string   `json:"usr,omitempty"` // mounted read-only at /usr
	Cgroup   string   `json:"cgroup"`
	Devices  []string `json:"devices"`
}

// keep runs a machine for as long as it has power: it outlives the program that
// started it, comes back when it reboots itself, and leaves no mount behind.
func keep(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: run-node FILE")
	}
	// The parent-death signal below follows the thread that forks.
	runtime.LockOSThread()
	mounted := false
	for {
		var k keeperFile
		data, err := os.ReadFile(args[0])
		if err == nil {
			err = json.Unmarshal(data, &k)
		}
		if err != nil {
			return fmt.Errorf("reading how to run the node: %w", err)
		}
		if !mounted {
			if err := k.mount(); err != nil {
				return err
			}
			mounted = true
		}
		again, err := k.boot()
		if err != nil || !again {
			return err
		}
		fmt.Printf("%s reboots\n", k.Hostname)
	}
}

// mount lays the node's own files over the common root, in a mount namespace of
// this process: it goes when the process does, however that ends.
func (k keeperFile) mount() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("making a mount namespace for %s: %w", k.Hostname, err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making the mounts of %s private: %w", k.Hostname, err)
	}
	layers := "lowerdir=" + k.Lower + ",upperdir=" + k.Upper + ",workdir=" + k.Work
	if err := unix.Mount("overlay", k.Root, "overlay", 0, layers); err != nil {
		return fmt.Errorf("mounting the root of %s: %w", k.Hostname, err)
	}
	return nil
}

// boot runs the machine until it is off, and tells whether it wants to reboot.
func (k keeperFile) boot() (again bool, err error) {
	argv := []string{
		"nsenter", "--net=" + k.Network, "--", "systemd-nspawn", "--quiet", "--boot", "--directory=" + k.Root,
		"--machine=" + k.Machine, "--hostname=" + k.Hostname, "--network-bridge=" + bridge,
		"--register=no", "--keep-unit", "--console=read-only", "--capability=all",
		"--link-journal=no", "--resolv-conf=off", "--timezone=off",
		"--bind=/dev/fuse", "--bind=/dev/loop-control",
	}
	if k.Usr != "" {
		argv = append(argv, "--bind-ro="+k.Usr+":/usr")
	}
	for _, device := range k.Devices {
		argv = append(argv, "--bind="+device)
	}
	cmd := command(context.Background(), argv...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// systemd-nspawn makes its groups below the one that it is started in, and
	// that one must hold no process then. So this one only passes through it.
	if err := cgroup(k.Cgroup).join(); err != nil {
		return false, err
	}
	err = cmd.Start()
	if err := cgroup(filepath.Dir(k.Cgroup) + "/keepers").join(); err != nil {
		return false, err
	}
	if err == nil {
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == rebootStatus {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("running %q: %w", strings.Join(argv, " "), err)
	}
	return false, nil
}

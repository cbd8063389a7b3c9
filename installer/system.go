package installer

import (
	"context"
	"io"
	"net/netip"
	"os"
	"time"

	"scaleio-framework/platform"
	"scaleio-framework/platform/block"
	"scaleio-framework/platform/fetch"
	"scaleio-framework/systemd"
)

// System is what steps may touch. Each field is an interface declared here, by its consumer, and no wider than the steps need.
type System struct {
	Facts     platform.Facts
	Files     Files
	Commands  Commands
	Packages  Packages
	Units     Units
	Jobs      Jobs
	Download  Download
	Archives  Archives
	Disks     Disks
	Network   Network
	Reboots   Reboots
	Preflight Preflight        // nil = not looked at before installing
	Cloud     Cloud            // nil = this machine is no instance of one
	Clock     func() time.Time // monotonic reading inside; time.Now outside tests
}

// Files under the machine's root; writes are atomic (temporary file, fsync, rename, fsync of the folder).
type Files interface {
	Read(path string) ([]byte, error) // platform.ErrNotFound
	Write(path string, data []byte, mode os.FileMode) error
	Remove(path string) error // absent is fine
	Stat(path string) (mode os.FileMode, size int64, err error)
	MkdirAll(path string, mode os.FileMode) error
	Symlink(target, path string) error // replaces
	Readlink(path string) (string, error)
	Glob(pattern string) ([]string, error)
	Digest(path string) (sha256hex string, size int64, err error)
}

// Commands run without a shell, with LC_ALL=C and a fixed PATH; a non-zero exit is a *platform.ExitError.
type Commands interface {
	Run(ctx context.Context, cmd platform.Cmd) (platform.Output, error)
}

// Packages of the distribution's tool.
type Packages interface {
	// State of an installed package; ErrNotFound if it isn't known or only its configuration is left.
	State(ctx context.Context, name string) (platform.PackageState, error)
	// Install a verified local file in a transient unit, with env in the environment of its scripts (from a 0600 file, deleted after).
	Install(ctx context.Context, file string, env map[string]string) error
	// Require installs distribution packages by name from the configured repositories.
	Require(ctx context.Context, names ...string) error
	// Remove an installed package, and no other; one that isn't there is fine.
	Remove(ctx context.Context, name string) error
	// Recover finishes what an interrupted run left (dpkg --configure -a ...).
	Recover(ctx context.Context) error
}

// Units of systemd.
type Units interface {
	State(ctx context.Context, unit string) (systemd.UnitState, error)
	Reload(ctx context.Context) error
	Enable(ctx context.Context, unit string) error
	Start(ctx context.Context, unit string) error
	Restart(ctx context.Context, unit string) error
	Stop(ctx context.Context, unit string) error
	ResetFailed(ctx context.Context, unit string) error
}

// Jobs are commands that PID 1 runs as transient services, outside our cgroup and hardening.
type Jobs interface {
	RunJob(ctx context.Context, job systemd.Job) error
}

// Reboots of this machine.
type Reboots interface {
	// Hold keeps others from rebooting until it is closed or this process ends.
	Hold(ctx context.Context, why string) (io.Closer, error)
	// Inhibitors names others that keep this machine from rebooting now.
	Inhibitors(ctx context.Context) ([]string, error)
	// Reboot is accepted; that it was done shows another boot id. systemd.ErrRefused = nothing happens, after other errors it may.
	Reboot(ctx context.Context) error
}

// Download of one file, verified, resumable.
type Download interface {
	Fetch(ctx context.Context, want fetch.File) error
}

// Archives wrap what the vendor ships.
type Archives interface {
	// Unpack a verified tar into a new folder that only root may enter, and give the paths of its files.
	Unpack(ctx context.Context, archive, dir string) (files []string, err error)
	// RemoveAll of a folder; absent is fine.
	RemoveAll(dir string) error
}

// Disks that the machine's /dev holds.
type Disks interface {
	Scan(ctx context.Context) ([]block.Disk, error)
	// Look at one by its kernel name, without opening it.
	Look(name string) (block.Disk, bool)
	// Inspect says why a disk may not be given away, or nothing; it reads first and last 16 MiB and 4,096 random blocks.
	Inspect(ctx context.Context, disk block.Disk, rules block.Rules) (refusals []block.Refusal, err error)
}

// Preflight is what machine and network are asked before anything is installed.
type Preflight interface {
	Free(path string) (bytes int64, err error)
	Memory() (bytes int64, err error)
	// Meet keeps ports open, for some minutes, and answers these peers there; *preflight.TakenError names one that somebody else has.
	Meet(ports []int, peers []netip.Addr) error
	// Part closes them.
	Part()
	// Probe a peer's port with the conversation that Meet answers, or connect alone: preflight.ErrRefused, ErrUnreachable, ErrStranger, ErrMTU.
	Probe(ctx context.Context, addr string, nonce []byte, connectAlone bool) error
}

// Network facts.
type Network interface {
	Addresses() ([]netip.Addr, error) // global unicast ones, the one of the default route first
	Listening(ctx context.Context, addr string) bool
}

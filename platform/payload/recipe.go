package payload

import (
	"context"
	"os"

	"scaleio-framework/platform/pkgmgr"
)

// A Recipe is what stands for a package's scripts, which are never run: they expect package tools, a shell's surroundings and a /usr that can be written.
type Recipe struct {
	// Extension names the system extension for what must be under /usr.
	Extension string
	// Dirs that its programs write to.
	Dirs []string
	// Units to enable. The text is for packages that bring no file for the unit, but make it by a script.
	Units map[string]string
	// DropIns are settings laid over a unit, by its name.
	DropIns map[string]string
	// Config are the files that Configure may make. Others change them later, so that only their absence is a fault; they go with the package.
	Config []string
	// Configure writes what the scripts write, from the environment that they would get. It keeps what is there.
	Configure func(files Files, env map[string]string) error
}

// Files that a recipe's Configure reads and writes.
type Files interface {
	Read(path string) ([]byte, error)
	Write(path string, data []byte, mode os.FileMode) error
	MkdirAll(path string, mode os.FileMode) error
}

// Units of systemd, as far as packages' scripts touch them.
type Units interface {
	Reload(ctx context.Context) error
	Enable(ctx context.Context, unit string) error
	Start(ctx context.Context, unit string) error
	Stop(ctx context.Context, unit string) error
}

// Host is the machine beside its files.
type Host struct {
	Files  Files
	Units  Units
	RunJob pkgmgr.RunJob
	OSID   string // os-release ID: the extension is for this system alone
}

package kmod

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"scaleio-framework/platform"
)

// Files of the machine, as far as they are looked at.
type Files interface {
	Read(path string) ([]byte, error) // platform.ErrNotFound
	Stat(path string) (mode os.FileMode, size int64, err error)
	Readlink(path string) (string, error)
	Glob(pattern string) ([]string, error)
}

// State of a module in the running kernel.
type State struct {
	Loaded     bool // and ready: one that is just coming or going isn't
	Changing   bool
	Users      int // of what it serves; 0 = it may be unloaded
	Version    string
	SrcVersion string
}

// Loaded tells what the running kernel has. In a container it is the host's kernel.
func Loaded(files Files, name string) (State, error) {
	dir := path.Join("/sys/module", strings.ReplaceAll(name, "-", "_"))
	init, err := line(files, path.Join(dir, "initstate"))
	if errors.Is(err, platform.ErrNotFound) {
		return State{}, nil
	} else if err != nil {
		return State{}, fmt.Errorf("asking for module %s: %w", name, err)
	}
	s := State{Loaded: init == "live", Changing: init != "live"}
	if users, err := line(files, path.Join(dir, "refcnt")); err == nil {
		if s.Users, err = strconv.Atoi(users); err != nil {
			return State{}, fmt.Errorf("asking for module %s: its refcnt is %q", name, users)
		}
	} else if !errors.Is(err, platform.ErrNotFound) { // there is none in kernels that can't unload
		return State{}, fmt.Errorf("asking for module %s: %w", name, err)
	}
	s.Version, _ = line(files, path.Join(dir, "version"))
	s.SrcVersion, _ = line(files, path.Join(dir, "srcversion"))
	return s, nil
}

func line(files Files, name string) (string, error) {
	data, err := files.Read(name)
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(first), nil
}

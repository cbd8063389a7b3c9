package platformtest

import (
	"context"
	"fmt"
	"sort"
	"sync"

	"scaleio-framework/platform"
)

// An Archive is a package file that the fake can install.
type Archive struct {
	Name    string
	Version string
	// Install stands for the package's scripts: it may lay files, add units and look at env. Its error leaves the package half-configured.
	Install func(env map[string]string) error
	// Remove stands for its removal.
	Remove func()
}

// Packages of a machine: they stay installed, a failed script leaves them unconfigured, Recover runs it again.
type Packages struct {
	Hook  Hook
	Files *Files // where Install looks whether the file is there; nil = not looked at

	mu        sync.Mutex
	archives  map[string]Archive // by file
	installed map[string]platform.PackageState
	known     map[string]bool         // what the configured repositories hold
	pending   map[string]func() error // scripts that Recover must run again
	installs  map[string]int          // how often each package was installed
}

// Provide says what a file holds.
func (p *Packages) Provide(file string, a Archive) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.archives == nil {
		p.archives = map[string]Archive{}
	}
	p.archives[file] = a
}

// Provided is what a file holds.
func (p *Packages) Provided(file string) Archive {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.archives[file]
}

// Offer names packages of the distribution that Require can install.
func (p *Packages) Offer(names ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == nil {
		p.known = map[string]bool{}
	}
	for _, name := range names {
		p.known[name] = true
	}
}

// Set the state of a package, as found in place; the zero state removes it.
func (p *Packages) Set(name string, s platform.PackageState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set(name, s)
}

func (p *Packages) set(name string, s platform.PackageState) {
	if p.installed == nil {
		p.installed = map[string]platform.PackageState{}
	}
	if s == (platform.PackageState{}) {
		delete(p.installed, name)
		return
	}
	p.installed[name] = s
}

// Installs counts how often a package was installed.
func (p *Packages) Installs(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.installs[name]
}

// Names of what is installed.
func (p *Packages) Names() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var names []string
	for name := range p.installed {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// State of a package.
func (p *Packages) State(_ context.Context, name string) (state platform.PackageState, err error) {
	err = p.Hook.do("package-state "+name, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		var ok bool
		if state, ok = p.installed[name]; !ok {
			return fmt.Errorf("package %s: %w", name, platform.ErrNotFound)
		}
		return nil
	})
	return state, err
}

// Install a file.
func (p *Packages) Install(_ context.Context, file string, env map[string]string) error {
	return p.Hook.do("install "+file, func() error {
		p.mu.Lock()
		archive, ok := p.archives[file]
		files := p.Files
		p.mu.Unlock()
		if files != nil {
			files.mu.Lock()
			_, err := files.lookup("installing", file)
			files.mu.Unlock()
			if err != nil {
				return err
			}
		}
		if !ok {
			return fmt.Errorf("installing %s: not a package", file)
		}

		p.mu.Lock()
		p.set(archive.Name, platform.PackageState{Version: archive.Version})
		if p.installs == nil {
			p.installs = map[string]int{}
		}
		p.installs[archive.Name]++
		p.mu.Unlock()
		return p.configure(archive, env)
	})
}

func (p *Packages) configure(a Archive, env map[string]string) error {
	if a.Install != nil {
		if err := a.Install(env); err != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			if p.pending == nil {
				p.pending = map[string]func() error{}
			}
			p.pending[a.Name] = func() error { return p.configure(a, nil) }
			return fmt.Errorf("installing %s: script: %w", a.Name, err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pending, a.Name)
	p.set(a.Name, platform.PackageState{Version: a.Version, Configured: true})
	return nil
}

// Require installs packages of the distribution.
func (p *Packages) Require(_ context.Context, names ...string) error {
	return p.Hook.do(fmt.Sprintf("require %v", names), func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, name := range names {
			if _, ok := p.installed[name]; ok {
				continue
			}
			if !p.known[name] {
				return fmt.Errorf("installing %s: no such package: %w", name, platform.ErrNotFound)
			}
			p.set(name, platform.PackageState{Version: "1", Configured: true})
		}
		return nil
	})
}

// Remove a package; one that isn't there is fine.
func (p *Packages) Remove(_ context.Context, name string) error {
	return p.Hook.do("remove-package "+name, func() error {
		p.mu.Lock()
		_, there := p.installed[name]
		p.set(name, platform.PackageState{})
		delete(p.pending, name)
		var gone []func()
		for _, a := range p.archives {
			if there && a.Name == name && a.Remove != nil {
				gone = append(gone, a.Remove)
			}
		}
		p.mu.Unlock()
		for _, f := range gone {
			f()
		}
		return nil
	})
}

// Recover runs the scripts that failed once more, without the environment of the first run, as dpkg --configure -a does.
func (p *Packages) Recover(context.Context) error {
	return p.Hook.do("recover", func() error {
		p.mu.Lock()
		pending := make([]func() error, 0, len(p.pending))
		for _, again := range p.pending {
			pending = append(pending, again)
		}
		p.mu.Unlock()
		for _, again := range pending {
			if err := again(); err != nil {
				return err
			}
		}
		return nil
	})
}

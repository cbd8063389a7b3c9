package payload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"scaleio-framework/platform"
	"scaleio-framework/platform/pkgmgr"
)

// Packages of a machine without package tools.
type Packages struct {
	// Log tells why a package that was whole isn't any more; nil = nobody.
	Log *slog.Logger

	root   platform.Root
	host   Host
	recipe func(name, version string) (Recipe, error)

	one  sync.Mutex // one change or look at a time
	seen map[string]seenFile
	said map[string]string // fault of each package that was logged
	// linked are the packages whose libraries were all found, by the digest of their file.
	linked map[string]string
}

// New makes the packages of a machine. The recipe says what is to be done for a package beside unpacking it; its error refuses the package.
func New(root platform.Root, host Host, recipe func(name, version string) (Recipe, error)) *Packages {
	return &Packages{root: root, host: host, recipe: recipe, seen: map[string]seenFile{}, said: map[string]string{}, linked: map[string]string{}}
}

// State of a package: configured if all that was written is there as it was written, and finds the libraries that it needs.
func (p *Packages) State(ctx context.Context, name string) (platform.PackageState, error) {
	p.one.Lock()
	defer p.one.Unlock()
	r, err := p.load(name)
	if err != nil {
		return platform.PackageState{}, err
	}
	fault := "it is half-done (" + string(r.Phase) + ")"
	if r.Phase == installed {
		if fault, err = p.look(ctx, r); err != nil {
			return platform.PackageState{}, fmt.Errorf("looking at package %s: %w", name, err)
		}
	}
	if fault != p.said[name] && p.Log != nil && fault != "" {
		p.Log.Warn("package isn't whole", "pkg", name, "version", r.Version, "reason", fault)
	}
	p.said[name] = fault
	return platform.PackageState{Version: r.Version, Configured: fault == "", Fault: fault}, nil
}

// Install unpacks a verified file and does what its scripts would have done with env. It may be cut anywhere and run again. An older version is replaced, a newer one never.
func (p *Packages) Install(ctx context.Context, file string, env map[string]string) error {
	p.one.Lock()
	defer p.one.Unlock()
	src, err := open(p.root.Path(file))
	if err != nil {
		return err
	}
	defer src.close()
	if err := p.verify(file); err != nil {
		return fmt.Errorf("installing %s: %w", src.name, err)
	}
	if err := p.install(ctx, src, file, env); err != nil {
		return fmt.Errorf("installing %s %s: %w", src.name, src.version, err)
	}
	return nil
}

func (p *Packages) install(ctx context.Context, src *source, file string, env map[string]string) error {
	recipe, err := p.recipe(src.name, src.version)
	if err != nil {
		return err
	}
	old, err := p.load(src.name)
	if err != nil && !errors.Is(err, platform.ErrNotFound) {
		return err
	}
	if old.Name != "" && compareVersions(old.Version, src.version) > 0 {
		return &pkgmgr.Error{Kind: pkgmgr.Downgrade, Detail: fmt.Sprintf("%s is installed, newer than %s: it is never downgraded", old.Version, src.version)}
	}
	root, err := p.openRoot()
	if err != nil {
		return err
	}
	defer root.close()
	others, err := p.others(src.name)
	if err != nil {
		return err
	}
	plan, err := p.plan(root, src.files, recipe)
	if err == nil {
		err = root.respect(plan, old, others)
	}
	if err != nil {
		return err
	}
	next := record{Name: src.name, Version: src.version, Phase: unpacking, Replaces: old.Replaces, Source: file, SHA256: src.sha256, Extension: recipe.Extension,
		Units: unitsOf(recipe)}
	if old.Phase == installed {
		next.Replaces = old.Version
	}
	upgrade := next.Replaces != "" && next.Replaces != src.version

	// The record comes first: whatever is cut off from here on, nothing is written that it doesn't name.
	begun := next
	begun.Files = touched(root, plan, old, recipe)
	if err := p.save(begun); err != nil {
		return err
	}
	if upgrade {
		for _, unit := range slices.Backward(next.Units) {
			if err := p.host.Units.Stop(ctx, unit); err != nil {
				return err
			}
		}
	}
	if err := p.write(ctx, root, src, plan, &next, old); err != nil {
		return err
	}
	return p.finish(ctx, root, next, begun, others, recipe, env, upgrade)
}

// touched are the files of the version before and of the one to come.
func touched(root tree, plan []placed, old record, recipe Recipe) []entry {
	all := record{Files: slices.Clone(old.Files)}
	for _, pl := range plan {
		if e, ok := old.find(pl.path); !ok || e.Kind != pl.kind {
			all.put(entry{Path: pl.path, Kind: pl.kind, Mode: pl.mode, Found: pl.found})
		}
	}
	for _, path := range recipe.Config {
		if _, known := all.find(path); !known {
			all.put(entry{Path: path, Kind: kindConfig, Found: root.there(path)})
		}
	}
	return all.Files
}

// finish everything after the files are there.
func (p *Packages) finish(ctx context.Context, root tree, next, begun, others record, recipe Recipe, env map[string]string, upgrade bool) error {
	if recipe.Configure != nil {
		if err := recipe.Configure(p.host.Files, env); err != nil {
			return err
		}
	}
	for _, path := range recipe.Config {
		if _, brought := next.find(path); !brought && root.there(path) {
			e, _ := begun.find(path)
			next.put(e)
		}
	}
	if err := root.removeAllBut(begun.Files, slices.Concat(next.Files, others.Files)); err != nil {
		return err
	}
	delete(p.linked, next.Name)
	if missing, err := p.libraries(next.Files); err != nil {
		return err
	} else if missing != "" {
		return errors.New(missing)
	}
	if err := p.merge(ctx, next.Files, begun.Files); err != nil {
		return err
	}
	if err := p.host.Units.Reload(ctx); err != nil {
		return err
	}
	if fault, err := p.look(ctx, next); err != nil {
		return err
	} else if fault != "" {
		return &pkgmgr.Error{Kind: pkgmgr.Interrupted, Detail: "after it was unpacked " + fault}
	}
	for _, unit := range next.Units {
		if masked(root, unit) {
			continue
		}
		if err := p.host.Units.Enable(ctx, unit); err != nil {
			return err
		}
	}
	next.Phase, next.Replaces = installed, ""
	if err := p.save(next); err != nil {
		return err
	}
	if !upgrade {
		return nil // whoever wanted it installed starts it, with its configuration
	}
	for _, unit := range next.Units {
		if masked(root, unit) {
			continue
		}
		if err := p.host.Units.Start(ctx, unit); err != nil {
			return err
		}
	}
	return nil
}

// Require says that there is nothing to take packages from.
func (p *Packages) Require(_ context.Context, names ...string) error {
	return fmt.Errorf("installing %s: this system has no package tool: what the product needs has to come with its packages or with the system: %w", strings.Join(names, ", "), platform.ErrUnsupported)
}

// Recover takes away what an interrupted first installation left; an interrupted upgrade is finished from the same file.
func (p *Packages) Recover(ctx context.Context) error {
	p.one.Lock()
	defer p.one.Unlock()
	names, err := p.names()
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		r, err := p.load(name)
		switch {
		case err != nil:
		case r.Phase == installed:
			continue
		case r.Phase == unpacking && r.Replaces != "":
			err = p.resume(ctx, r)
		default:
			err = p.remove(ctx, r)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("recovering package %s: %w", name, err))
		}
	}
	return errors.Join(failed...)
}

// resume an upgrade: its configuration is that of the version before it, so that no environment is needed.
func (p *Packages) resume(ctx context.Context, r record) error {
	src, err := open(p.root.Path(r.Source))
	if err != nil {
		return fmt.Errorf("the upgrade to %s was cut off and can't be finished: install it again: %w", r.Version, err)
	}
	defer src.close()
	if src.sha256 != r.SHA256 || src.name != r.Name {
		return fmt.Errorf("the upgrade to %s was cut off, and %s is another file by now: install it again", r.Version, r.Source)
	}
	return p.install(ctx, src, r.Source, nil)
}

// Remove stops a package's units and deletes what its record lists, and no more. A package that isn't here is removed.
func (p *Packages) Remove(ctx context.Context, name string) error {
	p.one.Lock()
	defer p.one.Unlock()
	r, err := p.load(name)
	if errors.Is(err, platform.ErrNotFound) {
		return nil
	}
	if err == nil {
		err = p.remove(ctx, r)
	}
	if err != nil {
		return fmt.Errorf("removing package %s: %w", name, err)
	}
	return nil
}

func (p *Packages) remove(ctx context.Context, r record) error {
	for _, unit := range slices.Backward(r.Units) {
		if err := p.host.Units.Stop(ctx, unit); err != nil {
			return err
		}
	}
	r.Phase = removing
	if err := p.save(r); err != nil {
		return err
	}
	root, err := p.openRoot()
	if err != nil {
		return err
	}
	defer root.close()
	if err := root.disable(r.Units); err != nil {
		return err
	}
	others, err := p.others(r.Name)
	if err != nil {
		return err
	}
	if err := root.removeAllBut(r.Files, others.Files); err != nil {
		return err
	}
	if err := p.merge(ctx, nil, r.Files); err != nil {
		return err
	}
	if err := p.host.Units.Reload(ctx); err != nil {
		return err
	}
	delete(p.said, r.Name)
	return root.remove(recordPath(r.Name))
}

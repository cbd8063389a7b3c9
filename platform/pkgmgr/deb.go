package pkgmgr

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"scaleio-framework/platform"
)

// Deb is apt and dpkg.
type Deb struct {
	// MayRemove tells which packages Recover may remove by force where dpkg demands a reinstallation; nil = none.
	MayRemove func(name string) bool

	tool
	admin []string // further arguments of dpkg-query, for tests
}

// NewDeb gives the package tools of a Debian or Ubuntu machine.
func NewDeb(commands Commands, files Files, run RunJob) *Deb {
	return &Deb{tool: tool{commands: commands, files: files, runJob: run, locks: debLocks("/"), texts: debTexts}}
}

// State of a package. Removed with its configuration left counts as not found; anything between unpacked and configured as not configured.
func (d *Deb) State(ctx context.Context, name string) (platform.PackageState, error) {
	args := append(append([]string{}, d.admin...), "-W", "-f=${db:Status-Abbrev}|${Version}\n", name)
	out, err := d.commands.Run(ctx, platform.Cmd{Path: "/usr/bin/dpkg-query", Args: args})
	var exit *platform.ExitError
	if errors.As(err, &exit) && exit.Code == 1 {
		return platform.PackageState{}, fmt.Errorf("package %s: %w", name, platform.ErrNotFound)
	}
	if err != nil {
		return platform.PackageState{}, fmt.Errorf("asking for package %s: %w", name, err)
	}
	state, ok := parseState(string(out.Stdout))
	if !ok {
		return platform.PackageState{}, fmt.Errorf("package %s: %w", name, platform.ErrNotFound)
	}
	return state, nil
}

// Install a file that the caller has verified, with env in the environment of the package's scripts. It succeeds only if the package is configured afterwards.
func (d *Deb) Install(ctx context.Context, file string, env map[string]string) error {
	if !filepath.IsAbs(file) {
		return fmt.Errorf("installing %s: the path must be absolute, or apt takes it for a name", file)
	}
	d.one.Lock()
	defer d.one.Unlock()
	name, version, err := d.identify(ctx, file)
	if err != nil {
		return err
	}
	envFile, remove, err := d.writeEnv(name, env)
	if err != nil {
		return err
	}
	defer remove()
	d.secrets = secretsOf(env)
	defer func() { d.secrets = nil }()

	job := d.apt("install-"+name, installTimeout, "install", file)
	job.EnvFile = envFile
	if err := d.aptMending(ctx, job); err != nil {
		return fmt.Errorf("installing %s: %w", name, err)
	}
	state, err := d.State(ctx, name)
	if err != nil {
		return fmt.Errorf("installing %s: looking after it: %w", name, err)
	}
	if !state.Configured || state.Version != version {
		return fmt.Errorf("installing %s: apt succeeded, but version %s is there (configured: %t) instead of %s", name, state.Version, state.Configured, version)
	}
	return nil
}

// identify reads name and version out of a package file.
func (d *Deb) identify(ctx context.Context, file string) (name, version string, err error) {
	out, err := d.commands.Run(ctx, platform.Cmd{Path: "/usr/bin/dpkg-deb", Args: []string{"-W", "--showformat=${Package}|${Version}\n", file}})
	var exit *platform.ExitError
	if errors.As(err, &exit) {
		return "", "", fmt.Errorf("reading package %s: %w", file, &Error{Kind: NotAPackage, Detail: exit.Stderr})
	}
	if err != nil {
		return "", "", fmt.Errorf("reading package %s: %w", file, err)
	}
	name, version, ok := strings.Cut(strings.TrimSpace(string(out.Stdout)), "|")
	if !ok || !isPackageName(name) || version == "" {
		return "", "", fmt.Errorf("reading package %s: %w", file, &Error{Kind: NotAPackage, Detail: "it has no name or version"})
	}
	return name, version, nil
}

// Require installs those of the named packages that aren't there, from the configured repositories.
func (d *Deb) Require(ctx context.Context, names ...string) error {
	d.one.Lock()
	defer d.one.Unlock()
	missing, err := d.missing(ctx, names)
	if err != nil || len(missing) == 0 {
		return err
	}
	if err := d.aptMending(ctx, d.apt("require", installTimeout, append([]string{"install"}, missing...)...)); err != nil {
		return fmt.Errorf("installing %s: %w", strings.Join(missing, ", "), err)
	}
	missing, err = d.missing(ctx, names)
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("installing %s: apt succeeded, but they aren't configured", strings.Join(missing, ", "))
	}
	return err
}

// Remove a package with its configuration, and nothing that needs it: dpkg refuses that, where apt would take the others away too. It succeeds only if the
// package is gone afterwards.
func (d *Deb) Remove(ctx context.Context, name string) error {
	d.one.Lock()
	defer d.one.Unlock()
	if !isPackageName(name) {
		return fmt.Errorf("removing %q: not a package name", name)
	}
	if _, err := d.State(ctx, name); errors.Is(err, platform.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	purge := Job{Name: jobPrefix + "remove-" + name, Argv: []string{"/usr/bin/dpkg", "--purge", name}, Env: environment, Timeout: installTimeout}
	err := d.run(ctx, purge)
	var failed *Error
	if errors.As(err, &failed) && failed.Kind == Locked { // taken between our look and dpkg's: run waits for it
		err = d.run(ctx, purge)
	}
	if err != nil {
		return fmt.Errorf("removing %s: %w", name, err)
	}
	if _, err := d.State(ctx, name); !errors.Is(err, platform.ErrNotFound) {
		return errors.Join(fmt.Errorf("removing %s: dpkg succeeded, but it is still there", name), err)
	}
	return nil
}

func (d *Deb) missing(ctx context.Context, names []string) ([]string, error) {
	var missing []string
	for _, name := range names {
		if !isPackageName(name) {
			return nil, fmt.Errorf("installing %q: not a package name", name)
		}
		state, err := d.State(ctx, name)
		switch {
		case errors.Is(err, platform.ErrNotFound), err == nil && !state.Configured:
			missing = append(missing, name)
		case err != nil:
			return nil, err
		}
	}
	return missing, nil
}

func isPackageName(s string) bool {
	for i, r := range s {
		lower := r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
		if !lower && (i == 0 || !strings.ContainsRune("+-.", r)) && (r < 'A' || r > 'Z') { // the vendor's names have capitals, as dpkg lets them
			return false
		}
	}
	return s != ""
}

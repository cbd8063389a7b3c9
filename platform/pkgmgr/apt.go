package pkgmgr

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"scaleio-framework/platform"
)

// environment of every transaction. needrestart would ask, or restart other services (the Mesos agent among them).
var environment = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"HOME=/root",
	"LC_ALL=C.UTF-8",
	"DEBIAN_FRONTEND=noninteractive",
	"DEBIAN_PRIORITY=critical",
	"APT_LISTCHANGES_FRONTEND=none",
	"UCF_FORCE_CONFFOLD=1",
	"NEEDRESTART_SUSPEND=1",
}

// apt makes a job of apt-get. A conffile that a person changed is kept. The lock timeout is known from apt 1.9.11 on; earlier ones ignore it, so locks are
// waited for here too.
func (d *Deb) apt(name string, timeout time.Duration, args ...string) Job {
	argv := []string{"/usr/bin/apt-get", "-y", "-q",
		"-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold", "--no-install-recommends"}
	return Job{Name: jobPrefix + name, Argv: append(argv, args...), Env: environment, Timeout: timeout}
}

// aptMending runs the job, and once more after what its failure asks for: package lists that are old or missing, a transaction that was interrupted, locks.
func (d *Deb) aptMending(ctx context.Context, job Job) error {
	err := d.run(ctx, job)
	var failed *Error
	if !errors.As(err, &failed) {
		return err
	}
	switch failed.Kind {
	case NoCandidate, Network:
		if err := d.run(ctx, d.apt("update", updateTimeout, "update")); err != nil {
			return errors.Join(failed, err)
		}
	case Interrupted, ReinstallRequired, Unmet:
		if err := d.recover(ctx, job.EnvFile); err != nil {
			return errors.Join(failed, err)
		}
	case Locked: // taken between our look and apt's: run waits for it
	default:
		return err
	}
	return d.run(ctx, job)
}

// Recover finishes what an interrupted run left. It is bounded: one round of each remedy.
func (d *Deb) Recover(ctx context.Context) error {
	d.one.Lock()
	defer d.one.Unlock()
	return d.recover(ctx, "")
}

// recover in dpkg's order: configure what is unpacked, let apt complete dependencies, and remove what can't be configured until it is unpacked anew. The
// scripts that run again get the environment of the installation that is under way.
func (d *Deb) recover(ctx context.Context, envFile string) error {
	configure := Job{Name: jobPrefix + "configure", Argv: []string{"/usr/bin/dpkg", "--configure", "-a", "--force-confdef", "--force-confold"},
		Env: environment, EnvFile: envFile, Timeout: installTimeout}
	complete := d.apt("complete", installTimeout, "-f", "install")
	complete.EnvFile = envFile

	first := d.run(ctx, configure)
	broken, err := d.reinstallRequired(ctx)
	if err != nil {
		return errors.Join(first, err)
	}
	for _, name := range broken {
		if d.MayRemove == nil || !d.MayRemove(name) {
			return errors.Join(first, fmt.Errorf("package %s must be reinstalled and isn't ours to remove: run apt-get install --reinstall %s", name, name))
		}
		remove := Job{Name: jobPrefix + "remove-" + name, Argv: []string{"/usr/bin/dpkg", "--remove", "--force-remove-reinstreq", name},
			Env: environment, Timeout: installTimeout}
		if err := d.run(ctx, remove); err != nil {
			return fmt.Errorf("removing %s, which must be reinstalled: %w", name, err)
		}
	}
	if err := d.run(ctx, complete); err != nil {
		return fmt.Errorf("completing an interrupted installation: %w", errors.Join(err, first))
	}
	if first != nil || len(broken) > 0 {
		if err := d.run(ctx, configure); err != nil {
			return fmt.Errorf("configuring what an interrupted installation left: %w", err)
		}
	}
	return nil
}

// reinstallRequired lists packages whose files are only half there.
func (d *Deb) reinstallRequired(ctx context.Context) ([]string, error) {
	args := append(append([]string{}, d.admin...), "-W", "-f=${db:Status-Abbrev}|${Package}\n")
	out, err := d.commands.Run(ctx, platform.Cmd{Path: "/usr/bin/dpkg-query", Args: args})
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	var names []string
	for line := range strings.Lines(string(out.Stdout)) {
		abbrev, name, ok := strings.Cut(strings.TrimRight(line, "\n"), "|")
		if ok && len(abbrev) == 3 && abbrev[2] == 'R' {
			names = append(names, name)
		}
	}
	return names, nil
}

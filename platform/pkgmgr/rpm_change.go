package pkgmgr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"scaleio-framework/platform"
)

// rpmEnvironment of every transaction: el7 knows no C.UTF-8.
var rpmEnvironment = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C"}

// The tools, the first that is there.
const (
	pathDNF = "/usr/bin/dnf"
	pathYum = "/usr/bin/yum"
)

// manager is dnf or yum. From el8 on, yum is another name of dnf.
func (r *RPM) manager() (string, error) {
	for _, path := range []string{pathDNF, pathYum} {
		found, err := r.files.Glob(path)
		if err != nil {
			return "", fmt.Errorf("looking for dnf or yum: %w", err)
		}
		if len(found) > 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("looking for dnf or yum: %w", platform.ErrNotFound)
}

// A change of what is installed, by dnf or yum.
type change struct {
	name    string // of the job
	verb    string
	what    []string
	envFile string
	local   bool // of files: the repositories are asked only if something else is needed
	refresh bool // what is known of the repositories isn't believed
}

// job of a change. With exit_on_lock the tool ends at once where it would wait for ever, and is waited for here, with a bound.
func (c change) job(manager string, timeout time.Duration) Job {
	argv := []string{manager, "-y", "--setopt=exit_on_lock=1"}
	if manager == pathDNF {
		argv = append(argv, "--setopt=install_weak_deps=0")
	}
	if c.local {
		argv = append(argv, "--disablerepo=*")
	}
	if c.refresh && manager == pathDNF {
		argv = append(argv, "--refresh")
	}
	argv = append(append(argv, c.verb), c.what...)
	return Job{Name: jobPrefix + c.name, Argv: argv, Env: rpmEnvironment, EnvFile: c.envFile, Timeout: timeout}
}

// transact makes a change, and tries once more after what its failure asks for.
func (r *RPM) transact(ctx context.Context, c change) error {
	manager, err := r.manager()
	if err != nil {
		return err
	}
	err = r.run(ctx, c.job(manager, installTimeout))
	if c.local && needsRepositories(err) {
		c.local = false
		err = r.run(ctx, c.job(manager, installTimeout))
	}
	var failed *Error
	if !errors.As(err, &failed) {
		return err
	}
	switch failed.Kind {
	case Network, NoCandidate: // what it knows of the repositories may be old
		c.refresh = true
		if manager == pathYum {
			clean := change{name: "clean", verb: "clean", what: []string{"expire-cache"}}
			if err := r.run(ctx, clean.job(manager, updateTimeout)); err != nil {
				return errors.Join(failed, err)
			}
		}
	case Interrupted:
		if err := r.recover(ctx); err != nil {
			return errors.Join(failed, err)
		}
	case Locked: // taken between our look and the tool's: run waits for it
	default:
		return err
	}
	return r.run(ctx, c.job(manager, installTimeout))
}

func needsRepositories(err error) bool {
	var failed *Error
	return errors.As(err, &failed) && (failed.Kind == Unmet || failed.Kind == NoCandidate)
}

// Recover finishes what an interrupted run left. It is bounded: one round of each remedy.
func (r *RPM) Recover(ctx context.Context) error {
	r.one.Lock()
	defer r.one.Unlock()
	return r.recover(ctx)
}

// recover takes away what stands in the way of the next transaction: yum's record of an unfinished one, and of our own packages the older of two versions.
// What was installed and not configured is installed again by whoever finds that State says so: only he has the environment of its scripts.
func (r *RPM) recover(ctx context.Context) error {
	if err := r.forgetUnfinished(ctx); err != nil {
		return err
	}
	out, err := r.commands.Run(ctx, platform.Cmd{Path: "/usr/bin/rpm", Args: append(slices.Clone(r.admin), "-qa", "--qf", identityFormat), Timeout: lookTimeout})
	if err != nil {
		return fmt.Errorf("listing packages: %w", err)
	}
	older, err := r.older(ctx, parseIdentities(string(out.Stdout)))
	if err != nil {
		return err
	}
	for _, old := range older {
		// Without scripts: that of the newer version's installation has run, or runs again.
		remove := Job{Name: jobPrefix + "remove-older-" + old.name, Argv: []string{"/usr/bin/rpm", "-e", "--noscripts", "--nodeps", old.nevra()},
			Env: rpmEnvironment, Timeout: installTimeout}
		if err := r.run(ctx, remove); err != nil {
			return fmt.Errorf("removing %s, of which a newer version is there too: %w", old.nevra(), err)
		}
	}
	return nil
}

// older lists, of our packages that are there in several versions, all but the newest.
func (r *RPM) older(ctx context.Context, all []identity) (older []identity, err error) {
	byName := map[string][]identity{}
	for _, i := range all {
		if r.Ours != nil && r.Ours(i.name) {
			byName[i.name] = append(byName[i.name], i)
		}
	}
	for _, versions := range byName {
		newest, err := r.newest(ctx, versions)
		if err != nil {
			return nil, err
		}
		for _, v := range versions {
			if v != newest {
				older = append(older, v)
			}
		}
	}
	slices.SortFunc(older, func(a, b identity) int { return strings.Compare(a.nevra(), b.nevra()) })
	return older, nil
}

// forgetUnfinished ends yum's wish to complete an old transaction, in which it would install and remove what nobody asked for today. dnf has none.
func (r *RPM) forgetUnfinished(ctx context.Context) error {
	const complete = "/usr/sbin/yum-complete-transaction"
	for _, pattern := range []string{complete, "/var/lib/yum/transaction-all*"} {
		found, err := r.files.Glob(pattern)
		if err != nil {
			return fmt.Errorf("looking for an unfinished transaction: %w", err)
		}
		if len(found) == 0 {
			return nil
		}
	}
	err := r.run(ctx, Job{Name: jobPrefix + "cleanup", Argv: []string{complete, "-y", "--cleanup-only"}, Env: rpmEnvironment, Timeout: installTimeout})
	if err != nil {
		return fmt.Errorf("forgetting an unfinished transaction of yum: %w", err)
	}
	return nil
}

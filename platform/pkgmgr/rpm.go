package pkgmgr

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"scaleio-framework/platform"
)

// RPM is rpm with dnf or yum, whichever is there.
type RPM struct {
	// Ours tells which packages are the product's: of those alone a half-done installation is noticed, and what it left may be removed by force. nil = none.
	Ours func(name string) bool

	tool
	admin  []string // further arguments of rpm, for tests
	judged judged
}

// NewRPM gives the package tools of a machine of the Red Hat family.
func NewRPM(commands Commands, files Files, run RunJob) *RPM {
	return &RPM{tool: tool{commands: commands, files: files, runJob: run, locks: rpmLocks("/"), texts: rpmTexts}}
}

// rpmTexts of rpm, dnf and yum in the C locale. The first that matches counts, so the root causes come first.
var rpmTexts = []toolText{
	{DiskFull, "No space left on device"},
	{DiskFull, "more space needed on the"},
	{DiskFull, " on the / filesystem"}, // "installing package p needs 10MB more space on the / filesystem"
	{Locked, "already locked by"},      // dnf's exit status 200
	{Locked, "can't create transaction lock"},
	{Locked, "holding the yum lock"},
	{DatabaseBroken, "DB_RUNRECOVERY"},
	{DatabaseBroken, "rpmdb open failed"},
	{DatabaseBroken, "database disk image is malformed"},
	{Interrupted, "unfinished transactions remaining"},
	{Damaged, "DIGESTS NOT OK"},
	{NotSigned, "GPG check FAILED"},
	{NotSigned, "is not signed"},
	{NotSigned, "Public key for "}, // "... p.rpm is not installed"
	{NotSigned, "does not verify"},
	{ScriptFailed, "scriptlet failed"},
	{ScriptFailed, "Error in PREIN scriptlet"},
	{ScriptFailed, "Error in PREUN scriptlet"},
	{NotAPackage, "Can not load RPM file"},
	{NotAPackage, "not an rpm package"},
	{NotAPackage, "Cannot open: "},
	{Conflict, "conflicts with file from package"},
	{Conflict, "conflicts between attempted installs"},
	{Network, "Failed to download metadata"},
	{Network, "Cannot download"},
	{Network, "Error downloading packages"},
	{Network, "Cannot find a valid baseurl"},
	{Network, "Could not resolve host"},
	{NoCandidate, "Unable to find a match"},
	{NoCandidate, "No match for argument"},
	{NoCandidate, "Nothing to do"}, // yum, of names that no repository has
	{Unmet, "nothing provides"},
	{Unmet, "Failed dependencies"},
	{Unmet, "Requires: "},
	{Unmet, "conflicting requests"},
}

// State of a package. rpm knows nothing of a script that failed: for the product's own packages the history of dnf or yum does. Of two versions that an
// interrupted upgrade left, the newer counts, as not configured.
func (r *RPM) State(ctx context.Context, name string) (platform.PackageState, error) {
	found, err := r.query(ctx, name)
	if err != nil {
		return platform.PackageState{}, err
	}
	newest, err := r.newest(ctx, found)
	if err != nil {
		return platform.PackageState{}, err
	}
	state := platform.PackageState{Version: newest.evr(), Configured: true}
	if r.Ours == nil || !r.Ours(name) {
		return state, nil
	}
	if len(found) > 1 {
		state.Configured = false
		return state, nil
	}
	failure, err := r.failure(ctx, newest)
	if err != nil {
		return platform.PackageState{}, err
	}
	state.Configured = failure == ""
	return state, nil
}

// Install a file whose digest the caller has verified, with env in the environment of the package's scripts. It succeeds only if the package is there
// afterwards, whole, and none of its scripts failed. What is installed and isn't whole is installed again; a newer version is never replaced.
func (r *RPM) Install(ctx context.Context, file string, env map[string]string) error {
	if !filepath.IsAbs(file) {
		return fmt.Errorf("installing %s: the path must be absolute, or it is taken for a name", file)
	}
	r.one.Lock()
	defer r.one.Unlock()
	want, err := r.identify(ctx, file)
	if err != nil {
		return err
	}
	if err := r.verify(ctx, file); err != nil {
		return fmt.Errorf("installing %s: %w", want.name, err)
	}
	if err := r.locks.wait(ctx); err != nil { // it may be our own transaction, of which a former agent didn't see the end
		return fmt.Errorf("installing %s: %w", want.name, err)
	}
	verb, err := r.verb(ctx, want)
	if err != nil {
		return fmt.Errorf("installing %s: %w", want.name, err)
	}
	if verb == "reinstall" && r.afterwards(ctx, want) == nil {
		return nil
	}
	envFile, remove, err := r.writeEnv(want.name, env)
	if err != nil {
		return err
	}
	defer remove()
	r.secrets = secretsOf(env)
	defer func() { r.secrets = nil }()

	change := change{name: verb + "-" + want.name, verb: verb, what: []string{file}, envFile: envFile, local: true}
	if err := r.transact(ctx, change); err != nil {
		return fmt.Errorf("installing %s: %w", want.name, err)
	}
	if err := r.afterwards(ctx, want); err != nil {
		return fmt.Errorf("installing %s: %w", want.name, err)
	}
	return nil
}

// verb for what is there: dnf calls the same version "nothing to do", and an older one a downgrade that it carries out.
func (r *RPM) verb(ctx context.Context, want identity) (string, error) {
	found, err := r.query(ctx, want.name)
	if errors.Is(err, platform.ErrNotFound) {
		return "install", nil
	}
	if err != nil {
		return "", err
	}
	newest, err := r.newest(ctx, found)
	if err != nil {
		return "", err
	}
	order, err := r.compare(ctx, newest, want)
	switch {
	case err != nil:
		return "", err
	case order > 0:
		return "", &Error{Kind: Downgrade, Detail: fmt.Sprintf("%s is installed, newer than %s: it is never downgraded", newest.evr(), want.evr())}
	case order == 0:
		return "reinstall", nil
	}
	return "install", nil // with dnf and yum, of a newer file: an upgrade
}

// afterwards looks at what the tools' exit status says nothing of: it is 0 also when a script failed.
func (r *RPM) afterwards(ctx context.Context, want identity) error {
	found, err := r.query(ctx, want.name)
	if err != nil {
		return fmt.Errorf("looking after it: %w", err)
	}
	if len(found) > 1 || found[0].evr() != want.evr() {
		return fmt.Errorf("the tools succeeded, but version %s is there (and %d more) instead of %s", found[0].evr(), len(found)-1, want.evr())
	}
	r.judged.forget(want.name)
	failure, err := r.failure(ctx, found[0])
	if err != nil {
		return fmt.Errorf("looking after it: %w", err)
	}
	if failure != "" {
		return &Error{Kind: ScriptFailed, Detail: strings.NewReplacer(r.secrets...).Replace(failure)}
	}
	missing, err := r.missingFiles(ctx, want.name)
	if err != nil {
		return fmt.Errorf("looking after it: %w", err)
	}
	if len(missing) > 0 {
		return &Error{Kind: Interrupted, Detail: "files of it are missing: " + strings.Join(missing[:min(len(missing), 5)], ", ")}
	}
	return nil
}

// Require installs those of the named packages that aren't there, from the configured repositories.
func (r *RPM) Require(ctx context.Context, names ...string) error {
	r.one.Lock()
	defer r.one.Unlock()
	missing, err := r.missing(ctx, names)
	if err != nil || len(missing) == 0 {
		return err
	}
	if err := r.transact(ctx, change{name: "require", verb: "install", what: missing}); err != nil {
		return fmt.Errorf("installing %s: %w", strings.Join(missing, ", "), err)
	}
	missing, err = r.missing(ctx, names) // yum calls it a success if it found one of several
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("installing %s: the tools succeeded, but they aren't there", strings.Join(missing, ", "))
	}
	return err
}

// Remove a package, and nothing that needs it: rpm refuses that, where dnf would take the others away too. It succeeds only if the package is gone afterwards.
func (r *RPM) Remove(ctx context.Context, name string) error {
	r.one.Lock()
	defer r.one.Unlock()
	if _, err := r.query(ctx, name); errors.Is(err, platform.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	remove := Job{Name: jobPrefix + "remove-" + name, Argv: []string{"/usr/bin/rpm", "-e", "--allmatches", name}, Env: rpmEnvironment, Timeout: installTimeout}
	err := r.run(ctx, remove)
	var failed *Error
	if errors.As(err, &failed) && failed.Kind == Locked { // taken between our look and rpm's: run waits for it
		err = r.run(ctx, remove)
	}
	if err != nil {
		return fmt.Errorf("removing %s: %w", name, err)
	}
	if _, err := r.query(ctx, name); !errors.Is(err, platform.ErrNotFound) {
		return fmt.Errorf("removing %s: rpm succeeded, but it is still there: %w", name, err)
	}
	return nil
}

func (r *RPM) missing(ctx context.Context, names []string) (missing []string, err error) {
	for _, name := range names {
		if !isPackageName(name) {
			return nil, fmt.Errorf("installing %q: not a package name", name)
		}
		_, err := r.query(ctx, name)
		switch {
		case errors.Is(err, platform.ErrNotFound):
			missing = append(missing, name)
		case err != nil:
			return nil, err
		}
	}
	return missing, nil
}

// judged remembers the installations that the history has nothing against: to ask costs a second of Python, and they stay what they are.
type judged struct {
	mu    sync.Mutex
	known map[string]identity // by name
}

func (j *judged) whole(of identity) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.known[of.name] == of
}

func (j *judged) put(of identity) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.known == nil {
		j.known = map[string]identity{}
	}
	j.known[of.name] = of
}

func (j *judged) forget(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.known, name)
}

// lookTimeout of one question to rpm, dnf or yum.
const lookTimeout = time.Minute

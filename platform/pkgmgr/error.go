package pkgmgr

import (
	"fmt"
	"strings"
)

// Kind of a failure, in CamelCase: it is a stable word for conditions.
type Kind string

// The kinds.
const (
	Failed            Kind = "PackageToolFailed"
	Locked            Kind = "PackageToolLocked"      // somebody else installs
	Interrupted       Kind = "PackageToolInterrupted" // an earlier run was cut
	ReinstallRequired Kind = "ReinstallRequired"
	Unmet             Kind = "DependenciesUnmet"
	NoCandidate       Kind = "PackageNotInRepositories"
	Network           Kind = "RepositoryUnreachable"
	ScriptFailed      Kind = "PackageScriptFailed"
	DiskFull          Kind = "DiskFull"
	NotAPackage       Kind = "NotAPackage"
	Downgrade         Kind = "WouldDowngrade"
	Damaged           Kind = "PackageDamaged"        // a digest in it is wrong
	NotSigned         Kind = "PackageNotSigned"      // not at all, or not with the key that it has to be signed with
	Conflict          Kind = "FileConflict"          // with a file of another package
	DatabaseBroken    Kind = "PackageDatabaseBroken" // only a person may rebuild it
)

// An Error of a package tool that ran.
type Error struct {
	Kind   Kind
	Code   int
	Detail string
	Err    error
}

// Error shows the kind and the lines that say why.
func (e *Error) Error() string {
	if e.Code == 0 {
		return fmt.Sprintf("%s: %s", e.Kind, e.Detail)
	}
	return fmt.Sprintf("%s (exit status %d): %s", e.Kind, e.Code, e.Detail)
}

// Unwrap gives the job's error.
func (e *Error) Unwrap() error { return e.Err }

// debTexts of apt and dpkg in the C locale; apt exits with 100 for each of them, so they are all there is to tell them apart. They choose a remedy and a word
// for people, never whether a package is installed. The first that matches counts, so the root causes come first.
var debTexts = []toolText{
	{DiskFull, "No space left on device"},
	{DiskFull, "You don't have enough free space"},
	{Locked, "Could not get lock"},
	{Locked, "Unable to acquire the dpkg frontend lock"},
	{Locked, "lock was locked by another process"},
	{Locked, "is locked by another process"},
	{Interrupted, "dpkg was interrupted"},
	{ScriptFailed, "script subprocess returned error exit status"},
	{ScriptFailed, "subprocess installed"}, // "... post-installation script returned error exit status"
	{ReinstallRequired, "very bad inconsistent state"},
	{ReinstallRequired, "needs to be reinstalled"},
	{Downgrade, "without --allow-downgrades"},
	{Network, "Failed to fetch"},
	{Network, "Unable to fetch some archives"},
	{NoCandidate, "Unable to locate package"},
	{NoCandidate, "has no installation candidate"},
	{NoCandidate, "is not installable"},
	{NoCandidate, "is not going to be installed"},
	{NotAPackage, "is not a Debian format archive"},
	{NotAPackage, "Unsupported file"},
	{Unmet, "unmet dependencies"},
	{Unmet, "Unmet dependencies"},
	{Unmet, "dependency problems"},
}

// toolText tells a kind by what a tool prints.
type toolText struct {
	kind Kind
	text string
}

func classify(texts []toolText, output string) Kind {
	for _, t := range texts {
		if strings.Contains(output, t.text) {
			return t.kind
		}
	}
	return Failed
}

// lastLines keeps the lines that begin as errors do, with what a script said before it failed and what dnf lists below its "Error:"; else the last three.
func lastLines(output string) string {
	var errs, all []string
	below := 0
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		switch {
		case strings.Contains(line, "scriptlet failed"):
			errs = append(errs, all[max(0, len(all)-1):]...)
			errs = append(errs, line)
		case strings.HasPrefix(line, "E:"), strings.HasPrefix(line, "dpkg:"), strings.Contains(line, "error"), strings.HasPrefix(line, "Error"), below > 0:
			errs = append(errs, line)
			below--
		}
		if line == "Error:" {
			below = 2
		}
		all = append(all, line)
	}
	if len(errs) == 0 {
		errs = all[max(0, len(all)-3):]
	}
	return strings.Join(errs[max(0, len(errs)-4):], "; ")
}

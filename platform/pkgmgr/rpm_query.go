package pkgmgr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"scaleio-framework/platform"
)

// identity of one installed package or of a package file; comparable.
type identity struct {
	name, version, release, arch string
	epoch                        int
	installed                    int64 // when, in seconds; 0 of a file
}

// identityFormat is what parseIdentities reads. EPOCHNUM is 0 where there is no epoch.
const identityFormat = `%{NAME}|%{EPOCHNUM}|%{VERSION}|%{RELEASE}|%{ARCH}|%{INSTALLTIME}\n`

// fileFormat of a package file, which wasn't installed at any time.
const fileFormat = `%{NAME}|%{EPOCHNUM}|%{VERSION}|%{RELEASE}|%{ARCH}|0\n`

// evr as people write it.
func (i identity) evr() string {
	if i.epoch == 0 {
		return i.version + "-" + i.release
	}
	return fmt.Sprintf("%d:%s-%s", i.epoch, i.version, i.release)
}

// nevra as rpm takes it, without the epoch.
func (i identity) nevra() string {
	return i.name + "-" + i.version + "-" + i.release + "." + i.arch
}

// parseIdentities reads one line each; others ("package x is not installed") are no identities.
func parseIdentities(text string) (found []identity) {
	for line := range strings.Lines(text) {
		fields := strings.Split(strings.TrimRight(line, "\n"), "|")
		if len(fields) != 6 || !isPackageName(fields[0]) || !isVersion(fields[2]) || !isVersion(fields[3]) || fields[4] == "" {
			continue
		}
		epoch, err := strconv.Atoi(fields[1])
		installed, err2 := strconv.ParseInt(fields[5], 10, 64)
		if err != nil || err2 != nil || epoch < 0 {
			continue
		}
		found = append(found, identity{name: fields[0], epoch: epoch, version: fields[2], release: fields[3], arch: fields[4], installed: installed})
	}
	return found
}

// isVersion: the characters that rpm allows in versions and releases. They are put into an expression below.
func isVersion(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		return !letter && !strings.ContainsRune("._+~^", c)
	})
}

// query gives every installed package of a name; there may be several of other versions or architectures.
func (r *RPM) query(ctx context.Context, name string) ([]identity, error) {
	if !isPackageName(name) {
		return nil, fmt.Errorf("asking for package %q: not a package name", name)
	}
	out, err := r.commands.Run(ctx, platform.Cmd{Path: "/usr/bin/rpm", Args: append(slices.Clone(r.admin), "-q", "--qf", identityFormat, name), Timeout: lookTimeout})
	var exit *platform.ExitError
	if errors.As(err, &exit) && strings.Contains(exit.Stdout, "is not installed") { // the exit status is how many aren't
		return nil, fmt.Errorf("package %s: %w", name, platform.ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("asking for package %s: %w", name, err)
	}
	found := parseIdentities(string(out.Stdout))
	if len(found) == 0 {
		return nil, fmt.Errorf("asking for package %s: rpm says %q", name, strings.TrimSpace(string(out.Stdout)))
	}
	return found, nil
}

// identify reads what a package file is.
func (r *RPM) identify(ctx context.Context, file string) (identity, error) {
	out, err := r.commands.Run(ctx, platform.Cmd{Path: "/usr/bin/rpm", Args: append(slices.Clone(r.admin), "-q", "--nosignature", "--qf", fileFormat, "-p", file), Timeout: lookTimeout})
	var exit *platform.ExitError
	if errors.As(err, &exit) {
		return identity{}, fmt.Errorf("reading package %s: %w", file, &Error{Kind: NotAPackage, Detail: lastLines(exit.Stdout + "\n" + exit.Stderr)})
	}
	if err != nil {
		return identity{}, fmt.Errorf("reading package %s: %w", file, err)
	}
	found := parseIdentities(string(out.Stdout))
	if len(found) != 1 {
		return identity{}, fmt.Errorf("reading package %s: %w", file, &Error{Kind: NotAPackage, Detail: "it has no name or version that rpm allows"})
	}
	return found[0], nil
}

// newest of several.
func (r *RPM) newest(ctx context.Context, found []identity) (identity, error) {
	newest := found[0]
	for _, other := range found[1:] {
		order, err := r.compare(ctx, other, newest)
		if err != nil {
			return identity{}, err
		}
		if order > 0 {
			newest = other
		}
	}
	return newest, nil
}

// compare asks rpm itself: its order knows ~ and ^, letters and numbers. Versions hold nothing that has a meaning in Lua or to rpm's macros.
func (r *RPM) compare(ctx context.Context, a, b identity) (int, error) {
	if a.epoch != b.epoch {
		return a.epoch - b.epoch, nil
	}
	if a.version == b.version && a.release == b.release {
		return 0, nil
	}
	expression := fmt.Sprintf(`%%{lua:print(rpm.vercmp("%s","%s"), rpm.vercmp("%s","%s"))}`, a.version, b.version, a.release, b.release)
	out, err := r.commands.Run(ctx, platform.Cmd{Path: "/usr/bin/rpm", Args: []string{"--eval", expression}, Timeout: lookTimeout})
	if err != nil {
		return 0, fmt.Errorf("comparing %s with %s: %w", a.evr(), b.evr(), err)
	}
	fields := strings.Fields(string(out.Stdout))
	for _, field := range fields {
		if order, err := strconv.Atoi(field); err != nil || order != 0 {
			return order, err
		}
	}
	if len(fields) != 2 {
		return 0, fmt.Errorf("comparing %s with %s: rpm says %q", a.evr(), b.evr(), out.Stdout)
	}
	return 0, nil
}

// missingFiles of an installed package. Changed ones are none of our business: scripts and people may change what they like.
func (r *RPM) missingFiles(ctx context.Context, name string) ([]string, error) {
	args := append(slices.Clone(r.admin), "-V", "--nodeps", "--nofiledigest", "--noscripts", name)
	_, err := r.commands.Run(ctx, platform.Cmd{Path: "/usr/bin/rpm", Args: args, Timeout: lookTimeout})
	var exit *platform.ExitError
	if errors.As(err, &exit) {
		return parseVerify(exit.Stdout), nil
	}
	if err != nil {
		return nil, fmt.Errorf("verifying package %s: %w", name, err)
	}
	return nil, nil
}

// parseVerify reads "missing   c /path": flags or the word missing, an attribute, a path. What is a package's only by name (g), or documentation that a
// machine was told not to install (d), may be missing.
func parseVerify(text string) (missing []string) {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(strings.TrimRight(line, "\n"), "missing")
		if !ok {
			continue
		}
		attributes, path, ok := strings.Cut(rest, "/")
		if attribute := strings.TrimSpace(attributes); !ok || attribute == "g" || attribute == "d" {
			continue
		}
		path, _, _ = strings.Cut(path, " (") // the reason, where it isn't absence
		missing = append(missing, "/"+path)
	}
	return missing
}

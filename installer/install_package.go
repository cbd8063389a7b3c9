package installer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// installPackage is the fact that one component of the product is installed. That it is as new as the manifest says is upgrade-COMPONENT's. Its package's
// scripts read their settings from the environment: a run without it would make, for instance, a tie-breaker of every manager.
type installPackage struct {
	name      string
	component string
	pkg       string // its name for this machine's package tools
	takes     func(format string) bool
	packages  Packages
	files     Files
	intents   intents
	siobs     siobs
	wanted    api.Package
	listed    bool // the manifest has one for this OS
	unnamed   bool // the spec names no package at all
	os        string
	env       map[string]string
}

func newInstallPackage(o *orders, component string) installPackage {
	family := o.sys.Facts.Family
	s := installPackage{name: "install-" + component, component: component, pkg: scaleio.PackageName(family, component), takes: formats(family), packages: o.sys.Packages, files: o.sys.Files,
		intents: o.intents, os: o.sys.Facts.OS, env: o.packageEnv(component)}
	s.siobs = siobs{component, o.sys.Archives, o.sys.Files, o.sys.Jobs}
	s.wanted, s.listed = o.pick(component)
	s.unnamed = len(o.Spec.Packages) == 0
	return s
}

// packageEnv of a component's scripts: the SDC's write the managers to drv_cfg.txt beside a fresh GUID.
func (o *orders) packageEnv(component string) map[string]string {
	switch component {
	case scaleio.MDM:
		return map[string]string{scaleio.EnvMDMRole: o.isManager()}
	case scaleio.SDC:
		return map[string]string{scaleio.EnvMDMIP: strings.Join(o.managers(), ",")}
	case scaleio.Gateway:
		return map[string]string{scaleio.EnvGatewayPassword: o.Secrets.GatewayAdmin.Reveal()}
	}
	return nil
}

// A new node's first spec names no packages: which ones fit is known only from its first report.
const (
	reasonNoManifest = "WaitingForManifest"
	noManifest       = "the scheduler names no packages for %s yet; should that stay so, its manifest has none"
)

func (s installPackage) Name() string { return s.name }

func (s installPackage) Check(ctx context.Context) (step.Finding, error) {
	state, err := s.packages.State(ctx, s.pkg)
	present := err == nil
	if err != nil && !errors.Is(err, platform.ErrNotFound) {
		return step.Finding{}, err
	}
	if _, begun, err := s.intents.get(intentUpgrade, s.component); err != nil {
		return step.Finding{}, err
	} else if begun && !(present && state.Configured) {
		return step.Wait("UpgradeBegun", "an upgrade of %s was begun and isn't finished: see upgrade-%s", s.component, s.component), nil
	}
	switch {
	case present && state.Configured:
		return s.compare(state.Version), nil
	case !s.listed && s.unnamed:
		return step.Wait(reasonNoManifest, noManifest, s.os), nil
	case !s.listed:
		return step.Block("NoPackage", "the manifest has no %s package for %s: add one with its URL and sha256", s.component, s.os), nil
	case !s.takes(s.wanted.Format):
		return step.Block("PackageFormat", "the manifest's %s package for %s is a %s, which can't be installed there", s.component, s.os, s.wanted.Format), nil
	case present && state.Fault != "":
		return step.Need("Damaged", "%s %s isn't whole: %s", s.pkg, state.Version, state.Fault), nil
	case present:
		return step.Need("HalfConfigured", "%s %s was left half-configured", s.pkg, state.Version), nil
	}
	return step.Need("NotInstalled", "%s %s is to be installed", s.pkg, s.wanted.Version), nil
}

// compare never leads to a downgrade, nor to an upgrade: that interrupts I/O, and has a step of its own.
func (s installPackage) compare(installed string) step.Finding {
	if !s.listed {
		return step.OK("%s %s installed; the manifest has none for %s", s.component, installed, s.os)
	}
	switch order := compareVersions(installed, s.wanted.Version); {
	case order == 0:
		return step.OK("%s %s installed", s.component, installed)
	case order < 0:
		return step.OK("%s %s installed, older than the manifest's %s", s.component, installed, s.wanted.Version)
	}
	if _, err := scaleio.LimitsOf(installed); err != nil {
		return step.Block("NewerVersion", "%s %s is installed, newer than the manifest's %s and not known to this program; it is never downgraded: list the installed version to go on",
			s.component, installed, s.wanted.Version)
	}
	return step.OK("%s %s installed, newer than the manifest's %s", s.component, installed, s.wanted.Version)
}

func (s installPackage) Apply(ctx context.Context) error {
	if !s.listed {
		return fmt.Errorf("installing %s: the manifest has no package for %s", s.component, s.os)
	}
	file, err := checkedFile(s.files, s.wanted)
	if err != nil {
		return err
	}
	if err := putSigningKey(s.files, file, s.wanted); err != nil {
		return err
	}
	if s.wanted.Format == formatSiob {
		return s.siobs.unwrap(ctx, file, s.install)
	}
	return s.install(ctx, file)
}

func (s installPackage) install(ctx context.Context, file string) error {
	err := s.packages.Install(ctx, file, s.env)
	if err == nil || ctx.Err() != nil {
		return err
	}
	// dpkg's mending runs the scripts of what is half-configured without their settings: this package waits for the next try, which has them.
	if state, lost := s.packages.State(ctx, s.pkg); lost == nil && !state.Configured && len(s.env) > 0 && s.wanted.Format != formatRPM {
		return err
	}
	// What an interrupted run left, ours or another package, stands in the way of every later one.
	if broken := s.packages.Recover(ctx); broken != nil {
		return errors.Join(err, broken)
	}
	return s.packages.Install(ctx, file, s.env)
}

// satisfied tells whether nothing of the manifest's package is needed any more.
func (s installPackage) satisfied(ctx context.Context) (bool, error) {
	finding, err := s.Check(ctx)
	return finding.Verdict == step.Satisfied, err
}

// compareVersions goes by the product's own grammar, "3.6-700.103.Ubuntu.22.04": numbers up to the OS tag; missing ones match anything.
func compareVersions(a, b string) int {
	x, y := versionNumbers(a), versionNumbers(b)
	n := min(len(x), len(y))
	return slices.Compare(x[:n], y[:n])
}

func versionNumbers(v string) []int {
	var numbers []int
	for _, part := range strings.FieldsFunc(v, func(r rune) bool { return r == '.' || r == '-' }) {
		n, err := strconv.Atoi(part)
		if err != nil {
			break
		}
		numbers = append(numbers, n)
	}
	return numbers
}

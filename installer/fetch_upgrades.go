package installer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/kmod"
)

// upgradesFetched is the fact that what an upgrade needs is here before this node's turn comes: its packages, and the word that a module for the new SDC can be had.
// It stands apart from fetch-packages: a new version that can't be had mustn't keep the old one's daemons from being mended.
type upgradesFetched struct {
	packagesFetched
	*orders
}

func fetchUpgrades(o *orders) step.Step {
	s := fetchPackages(o).(packagesFetched)
	s.name, s.needed, s.binaries = "fetch-upgrades", yetToUpgrade, nil
	return upgradesFetched{s, o}
}

func (s upgradesFetched) Name() string { return s.name }

func yetToUpgrade(ctx context.Context, p installPackage) (bool, error) {
	u := packageUpgraded{installPackage: p}
	state, err := u.state(ctx)
	if err != nil || !p.listed {
		return false, err
	}
	begun, err := p.intents.all(intentUpgrade)
	if err != nil {
		return false, err
	}
	if len(begun) > 0 && !slices.ContainsFunc(begun, func(i intent) bool { return i.Subject == p.component }) {
		return false, nil // what can't be had mustn't keep another's daemon, which is down, from being mended
	}
	older := state.Configured && compareVersions(state.Version, p.wanted.Version) < 0 && u.refused(state.Version) == nil
	return older || len(begun) > 0 && !state.Configured, nil
}

func (s upgradesFetched) Check(ctx context.Context) (step.Finding, error) {
	f, err := s.packagesFetched.Check(ctx)
	if err != nil || f.Verdict != step.Satisfied {
		return f, err
	}
	if unknown, err := s.modulesUnknown(ctx); err != nil {
		return step.Finding{}, err
	} else if len(unknown) > 0 {
		return step.Need(reasonNoModule, "whether there is a module of the new SDC for kernel %s is to be found out", strings.Join(unknown, ", ")), nil
	}
	return step.OK("nothing newer is listed, or it is here"), nil
}

func (s upgradesFetched) Apply(ctx context.Context) error {
	if err := s.packagesFetched.Apply(ctx); err != nil {
		return err
	}
	unknown, err := s.modulesUnknown(ctx)
	if err != nil {
		return err
	}
	for _, kernel := range unknown {
		if err := s.askForModule(ctx, kernel); err != nil {
			return err
		}
	}
	return nil
}

// modulesUnknown lists the kernels for which nobody was asked yet whether the new SDC has a module.
func (s upgradesFetched) modulesUnknown(ctx context.Context) (unknown []string, err error) {
	p := newInstallPackage(s.orders, scaleio.SDC)
	if needed, err := yetToUpgrade(ctx, p); err != nil || !needed || !s.ownKernel() {
		return nil, err
	}
	kernels, err := s.bootableKernels(ctx)
	if err != nil {
		return nil, err
	}
	sdc := sdcInstalled{version: scaleio.ModuleVersion(p.wanted.Version)}
	for _, kernel := range kernels {
		found, _, err := s.findModule(kernel, sdc.version)
		if err != nil {
			return nil, err
		}
		key := s.moduleKey(kernel, sdc)
		_, missed := s.modules.missing(key, s.sys.Clock())
		if found == nil && !missed && !s.modules.vouched(key) && len(s.moduleSources(kernel, sdc)) > 0 {
			unknown = append(unknown, kernel)
		}
	}
	return unknown, nil
}

// bootableKernels are the running one and the one that the next boot takes.
func (o *orders) bootableKernels(ctx context.Context) ([]string, error) {
	kernels := []string{o.sys.Facts.Kernel}
	next, err := o.nextKernel(ctx)
	if err == nil && next.Release != kernels[0] {
		kernels = append(kernels, next.Release)
	}
	return kernels, err
}

// askForModule fetches it and looks whether the kernel would take it. It isn't kept: until the package is upgraded, the store is the old one's.
func (s upgradesFetched) askForModule(ctx context.Context, kernel string) error {
	wanted, _ := s.pick(scaleio.SDC)
	sdc := sdcInstalled{version: scaleio.ModuleVersion(wanted.Version)}
	var lacking []error
	for _, source := range s.moduleSources(kernel, sdc) {
		m, err := source.fetch(ctx)
		var info kmod.Module
		if err == nil {
			info, err = kmod.Parse(m.plain)
		}
		if err == nil {
			err = info.Verify(scaleio.ModuleName, kernel, s.sys.Facts)
		}
		if err == nil {
			s.modules.vouch(s.moduleKey(kernel, sdc))
			return nil
		}
		if ctx.Err() != nil || !final(err) {
			return fmt.Errorf("asking for scini %s for kernel %s: %s: %w", sdc.version, kernel, source.name, err)
		}
		lacking = append(lacking, fmt.Errorf("%s: %w", source.name, err))
	}
	s.modules.miss(s.moduleKey(kernel, sdc), missing(lacking, s.sys.Clock()))
	return nil
}

// moduleToCome says what stands against a new SDC: the module that is loaded is the old one's, and the next boot would find none.
func (s packageUpgraded) moduleToCome(ctx context.Context, what string) (*step.Finding, error) {
	if !s.ownKernel() {
		return nil, nil
	}
	kernels, err := s.bootableKernels(ctx)
	if err != nil {
		return nil, err
	}
	sdc := sdcInstalled{version: scaleio.ModuleVersion(s.wanted.Version)}
	for _, kernel := range kernels {
		found, _, err := s.findModule(kernel, sdc.version)
		if err != nil {
			return nil, err
		}
		key := s.moduleKey(kernel, sdc)
		if found != nil || s.modules.vouched(key) || s.mayBuild(kernel, sdc) {
			continue
		}
		missed, asked := s.modules.missing(key, s.sys.Clock())
		if !asked && len(s.moduleSources(kernel, sdc)) == 0 {
			if !s.sys.Facts.Immutable {
				continue // no source is configured: the package brings its own, as the one before did
			}
			missed.why, missed.kind, asked = "the manifest lists none, and nothing else brings one here", reasonNoModule, true
		}
		if !asked {
			f := step.Finding{Verdict: step.Satisfied, Reason: reasonUpgradeWaits, Message: what + ": its module isn't found yet"}
			return &f, nil
		}
		f := s.noModule(kernel, sdc, missed)
		f.Message = what + ", and isn't: " + f.Message
		return &f, nil
	}
	return nil, nil
}

package installer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/platform/kmod"
)

// sciniProvided is the fact that a module for the running kernel lies where the start of scini looks, or is loaded already. It stands before the SDC's package:
// that one's scripts start scini at its installation.
type sciniProvided struct{ *orders }

func provideSciniModule(o *orders) step.Step { return sciniProvided{o} }

func (sciniProvided) Name() string { return "provide-scini-module" }

const reasonNoModule = "NoModule"

func (s sciniProvided) Check(ctx context.Context) (step.Finding, error) {
	sdc, err := s.sdc(ctx)
	if err != nil {
		return step.Finding{}, err
	}
	if sdc.version == "" {
		return step.Wait(reasonNoManifest, noManifest, s.sys.Facts.OS), nil
	}
	if ours, err := s.sigCheckIsOurs(sdc); err != nil {
		return step.Finding{}, err
	} else if ours {
		return step.Need("SignatureCheckOff", "module_sigcheck of the vendor's scripts was turned off for a module that isn't there any more, or a repository is set there: it is turned on again"), nil
	}
	return s.moduleFor(ctx, s.sys.Facts.Kernel, sdc)
}

func (s sciniProvided) Apply(ctx context.Context) error {
	sdc, err := s.sdc(ctx)
	if err != nil {
		return err
	}
	return s.provideModule(ctx, s.sys.Facts.Kernel, sdc)
}

// moduleFor says whether a kernel has its module, or where it could come from, or why a person has to act.
func (o *orders) moduleFor(ctx context.Context, kernel string, sdc sdcInstalled) (step.Finding, error) {
	found, refused, err := o.findModule(kernel, sdc.version)
	if err != nil {
		return step.Finding{}, err
	}
	loaded, err := kmod.Loaded(o.sys.Files, scaleio.ModuleName)
	if err != nil {
		return step.Finding{}, err
	}
	here := kernel == o.sys.Facts.Kernel && loaded.Loaded
	if found != nil {
		if why := o.modules.rejection(found.sum); why != nil && kernel == o.sys.Facts.Kernel && !here {
			return step.Block(string(why.Kind), "scini %s for kernel %s (%s): %s", sdc.version, kernel, found.path, why.Why), nil
		}
		return o.moduleFound(ctx, kernel, sdc, found)
	}
	if here {
		return step.OK("scini is loaded for kernel %s", kernel), nil
	}
	missed, asked := o.modules.missing(o.moduleKey(kernel, sdc), o.sys.Clock())
	if sources := o.moduleSources(kernel, sdc); len(sources) > 0 && !asked {
		return step.Need(reasonNoModule, "scini %s for kernel %s is to be taken from %s", sdc.version, kernel, sources[0].name), nil
	}
	switch {
	case o.builds(kernel, sdc) && kernel == o.sys.Facts.Kernel && !asked: // a next kernel's would be built after the boot only: too late to find that it fails
		return step.OK("the SDC builds scini %s for kernel %s when it starts: compiler and headers are here", sdc.version, kernel), nil
	case o.mayBuild(kernel, sdc) && !asked:
		return step.Need(reasonNoModule, "scini %s for kernel %s is to be built: compiler and headers have to be installed", sdc.version, kernel), nil
	case !sdc.here:
		return step.OK("no module for kernel %s is known: left to the SDC's package %s, which may bring one", kernel, sdc.version), nil
	case o.kABI(kernel, loaded) && !asked:
		return step.OK("the SDC's package brings modules for all kernels of the minor release of %s", kernel), nil
	}
	lacking := missing(refused, o.sys.Clock())
	if missed.why != "" {
		lacking.why = strings.TrimPrefix(lacking.why+"; "+missed.why, "; ")
	}
	if asked && missed.kind != reasonNoModule {
		lacking.kind = missed.kind
	}
	if why := o.builtNot(kernel, sdc); why != nil {
		lacking.why = strings.TrimPrefix(lacking.why+"; "+why.Error(), "; ")
		if kind := kmod.KindOf(why); kind != "" && lacking.kind == reasonNoModule {
			lacking.kind = string(kind)
		}
	}
	return o.noModule(kernel, sdc, lacking), nil
}

// moduleFound says what is yet to be done with a module that fits.
func (o *orders) moduleFound(ctx context.Context, kernel string, sdc sdcInstalled, found *foundModule) (step.Finding, error) {
	if refused, err := o.refusedByScripts(kernel, sdc, found); err != nil {
		return step.Finding{}, err
	} else if refused {
		return step.Block("VendorSignatureWanted", "scini %s for kernel %s is here without the vendor's signature, which the vendor's scripts ask for (module_sigcheck = 1 in %s); they fetch from a repository of their own (repo_address), "+
			"so that it isn't turned off. To go on: list the vendor's scini.tar, which has the signature, or take repo_address from that file", sdc.version, kernel, scaleio.DriverSyncName), nil
	}
	if !found.placed {
		return step.Need("NotPlaced", "scini %s for kernel %s is here, and isn't yet where the start of scini looks", sdc.version, kernel), nil
	}
	if o.sys.Facts.Immutable {
		if lacking, err := o.loaderLacks(ctx); err != nil || lacking != "" {
			return step.Need("NoLoader", "scini %s for kernel %s is here; what loads it at boot is missing: %s", sdc.version, kernel, lacking), err
		}
	}
	return step.OK("scini %s for kernel %s is at %s", sdc.version, kernel, found.path), nil
}

// kABI tells whether the package's own modules serve the kernel: those of Enterprise Linux are made for all kernels of a minor release (X.Y.Z-N), and the
// start of scini picks the right one. For another kernel than the running one it is enough that this one's works.
func (o *orders) kABI(kernel string, loaded kmod.State) bool {
	if o.sys.Facts.Family != platform.FamilyRPM || o.sys.Facts.Immutable || o.sys.Facts.Flavour == "uek" || o.sys.Facts.ID == "amzn" {
		return false
	}
	return kernel == o.sys.Facts.Kernel || loaded.Loaded && minorRelease(kernel) == minorRelease(o.sys.Facts.Kernel)
}

// minorRelease of Enterprise Linux: "5.14.0-427.13.1.el9_4.x86_64" is of 5.14.0-427.
func minorRelease(kernel string) string {
	version, build, ok := strings.Cut(kernel, "-")
	if !ok {
		return kernel
	}
	minor, _, _ := strings.Cut(build, ".")
	return version + "-" + minor
}

// noModule names kernel, driver and what a person can do.
func (o *orders) noModule(kernel string, sdc sdcInstalled, missed missedModule) step.Finding {
	var ways []string
	if o.Spec.ModuleMirror != "" && !o.sys.Facts.Immutable {
		ways = append(ways, fmt.Sprintf("put it on the module mirror as %s/%s/%s/%s", scaleio.ModuleOSes(o.sys.Facts)[0], sdc.version, kernel, modulePacked))
	}
	ways = append(ways, "list one under modules in the manifest")
	if !o.Spec.BuildModules && !o.sys.Facts.Immutable && buildable(sdc.version) && kernel == o.sys.Facts.Kernel && kmod.TakesUnsigned(o.sys.Facts) == nil {
		ways = append(ways, "allow build-modules")
	}
	if kernel == o.sys.Facts.Kernel {
		ways = append(ways, "or boot a kernel that has one")
	}
	why := missed.why
	if why == "" {
		why = "neither the SDC's package nor a mirror nor the manifest has one"
	}
	return step.Block(missed.kind, "there is no scini %s for kernel %s: %s. To go on: %s", sdc.version, kernel, why, strings.Join(ways, ", "))
}

// Loader of modules where the vendor's scripts don't run.
const (
	loaderUnit = "scaleio-scini-module.service"
	loaderFile = "/etc/systemd/system/" + loaderUnit
)

// loaderText: %v is the running kernel's release, so that an update or a rollback of the system loads what is there for its own kernel.
const loaderText = `# Written by scaleio-agent.
[Unit]
Description=ScaleIO client's kernel module
ConditionPathExists=` + moduleDir + `/%v/` + moduleFile + `
ConditionPathExists=!/sys/module/` + scaleio.ModuleName + `
Before=` + scaleio.UnitSDC + `

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/insmod ` + moduleDir + `/%v/` + moduleFile + `

[Install]
WantedBy=multi-user.target
`

func (o *orders) loaderLacks(ctx context.Context) (string, error) {
	data, err := o.sys.Files.Read(loaderFile)
	if err != nil && !errors.Is(err, platform.ErrNotFound) {
		return "", err
	}
	if string(data) != loaderText {
		return loaderFile, nil
	}
	state, err := o.sys.Units.State(ctx, loaderUnit)
	if err != nil {
		return "", err
	}
	if state.Load == "masked" || state.Enabled == "masked" || state.Enabled == "enabled" && !state.NeedsReload {
		return "", nil // a masked one is a person's decision
	}
	return loaderUnit + " isn't enabled", nil
}

func (o *orders) installLoader(ctx context.Context) error {
	lacking, err := o.loaderLacks(ctx)
	if err != nil || lacking == "" {
		return err
	}
	if err := o.sys.Files.Write(loaderFile, []byte(loaderText), 0o644); err != nil {
		return err
	}
	if err := o.sys.Units.Reload(ctx); err != nil {
		return err
	}
	return o.sys.Units.Enable(ctx, loaderUnit)
}

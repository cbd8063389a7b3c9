package installer

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/platform/kmod"
	"scaleio-framework/systemd"
)

// sciniLoaded is the fact that the SDC's driver is loaded, is the one that lies here for this kernel, and answers. It looks further than the unit: that is
// active without a driver too, and then every map and mount fails. A module in use is never unloaded.
type sciniLoaded struct {
	*orders
	runUnit
}

func loadScini(o *orders) step.Step {
	return sciniLoaded{o, newRunUnit(o, "load-scini", scaleio.UnitSDC, 30*time.Second, o.sciniAnswers)}
}

func (o *orders) sciniAnswers(ctx context.Context) error {
	if _, _, err := o.sys.Files.Stat(scaleio.PathScini); err != nil {
		if errors.Is(err, platform.ErrNotFound) {
			return fmt.Errorf("there is no %s: no driver for kernel %s is loaded", scaleio.PathScini, o.sys.Facts.Kernel)
		}
		return err
	}
	_, err := drvCfg(o.sys.Files, o.sys.Commands).GUID(ctx)
	return err
}

func (s sciniLoaded) Name() string { return s.name }

func (s sciniLoaded) Check(ctx context.Context) (step.Finding, error) {
	if s.sys.Facts.Container != "" { // the host's modules say nothing about this machine: that the tool answers is the fact
		f, err := s.runUnit.Check(ctx)
		if err == nil && f.Verdict == step.Satisfied {
			f, err = s.ownGUID(ctx, 0, f)
		}
		return f, err
	}
	loaded, err := kmod.Loaded(s.sys.Files, scaleio.ModuleName)
	if err != nil {
		return step.Finding{}, err
	}
	if !loaded.Loaded && s.modulesDisabled() {
		return step.Block(string(kmod.ModulesDisabled), "scini isn't loaded, and kernel %s loads no modules any more until the next boot (kernel.modules_disabled=1): reboot, and find out what sets it",
			s.sys.Facts.Kernel), nil
	}
	f, err := s.runUnit.Check(ctx)
	if err != nil || f.Verdict != step.Satisfied {
		if f.Reason == "NotAnswering" && loaded.Loaded && loaded.Users > 0 {
			f = step.Block(reasonRebootNeeded, "%s; it isn't restarted, since its module is in use (%d times): drain this node and reboot it", f.Message, loaded.Users)
		}
		return f, err
	}
	other, err := s.otherModule(ctx, loaded)
	if err != nil {
		return step.Finding{}, err
	}
	if other != "" {
		return replaced(loaded.Users, "OtherModule", other), nil
	}
	return s.ownGUID(ctx, loaded.Users, f)
}

// Reasons of load-scini and reboot-node.
const reasonRebootNeeded = "RebootNeeded"

// replaced: what is loaded has to be loaded anew, unless somebody uses it.
func replaced(users int, reason, why string) step.Finding {
	if users > 0 {
		return step.Block(reasonRebootNeeded, "%s; it is in use (%d times) and never unloaded then: a reboot of this node ends it", why, users)
	}
	return step.Need(reason, "%s", why)
}

// otherModule says how the loaded module differs from the one that lies here; "" = it is that one, or can't be told.
func (o *orders) otherModule(ctx context.Context, loaded kmod.State) (string, error) {
	sdc, err := o.sdc(ctx)
	if err != nil || !sdc.here || !loaded.Loaded {
		return "", err
	}
	found, _, err := o.findModule(o.sys.Facts.Kernel, sdc.version)
	if err != nil || found == nil || found.SrcVersion == "" || loaded.SrcVersion == "" || found.SrcVersion == loaded.SrcVersion {
		return "", err
	}
	return fmt.Sprintf("the loaded scini (version %q, source %s) isn't that of SDC %s (%s, source %s)", loaded.Version, loaded.SrcVersion, sdc.version, found.path, found.SrcVersion), nil
}

func (s sciniLoaded) ownGUID(ctx context.Context, users int, f step.Finding) (step.Finding, error) {
	other, err := s.otherGUID(ctx)
	if err != nil || other == "" {
		return f, err
	}
	return replaced(users, "OtherGUID", other), nil
}

// otherGUID says that the driver has another GUID than drv_cfg.txt, whose one it took when it was loaded; "" = it has that one, or there is none.
func (o *orders) otherGUID(ctx context.Context) (string, error) {
	text, file, err := o.text()
	if err != nil || text.GUID == "" {
		return "", err
	}
	guid, err := drvCfg(o.sys.Files, o.sys.Commands).GUID(ctx)
	if err != nil || strings.EqualFold(guid, text.GUID) {
		return "", err
	}
	return fmt.Sprintf("the driver runs with GUID %s, %s says %s", guid, file, text.GUID), nil
}

func (o *orders) modulesDisabled() bool {
	data, err := o.sys.Files.Read("/proc/sys/kernel/modules_disabled")
	if err != nil {
		return o.sys.Facts.ModulesDisabled
	}
	return strings.TrimSpace(string(data)) == "1"
}

func (s sciniLoaded) Apply(ctx context.Context) error {
	f, err := s.Check(ctx)
	if err != nil {
		return err
	}
	if f.Verdict == step.Needed && (f.Reason == "OtherModule" || f.Reason == "OtherGUID") {
		if err := s.units.Restart(ctx, s.unit); err != nil {
			return err
		}
		until(ctx, answerTime, func() bool { return s.answers(ctx) == nil })
		return nil
	}
	if s.sys.Facts.Container != "" {
		return s.runUnit.Apply(ctx)
	}
	loader := s.startLoader(ctx)
	started := s.runUnit.Apply(ctx)
	if ctx.Err() != nil {
		return errors.Join(loader, started)
	}
	loaded, err := kmod.Loaded(s.sys.Files, scaleio.ModuleName)
	if err != nil || loaded.Loaded || loaded.Changing {
		return errors.Join(started, err)
	}
	if alone := s.loadAlone(ctx); alone != nil { // the kernel's own answer says more than that of the loader's unit
		return errors.Join(started, alone)
	}
	return errors.Join(loader, started)
}

// startLoader has the module loaded before the SDC's unit is started, where that is ours to do. The unit is there once a module was found: without one it is
// for provide-scini-module to say so.
func (o *orders) startLoader(ctx context.Context) error {
	loaded, err := kmod.Loaded(o.sys.Files, scaleio.ModuleName)
	if err != nil || loaded.Loaded || !o.sys.Facts.Immutable {
		return err
	}
	state, err := o.sys.Units.State(ctx, loaderUnit)
	if err != nil || state.Load == "not-found" || state.Load == "masked" {
		return err
	}
	return o.sys.Units.Restart(ctx, loaderUnit) // it stays active after its work, also when somebody removed the module since
}

// loadAlone is tried when the SDC's own start didn't load its module: the kernel's answer then says why.
func (o *orders) loadAlone(ctx context.Context) error {
	sdc, err := o.sdc(ctx)
	if err != nil {
		return err
	}
	found, _, err := o.findModule(o.sys.Facts.Kernel, sdc.version)
	if err == nil && found == nil { // it was left to the package's own modules, or to its build
		o.modules.miss(o.moduleKey(o.sys.Facts.Kernel, sdc), missedModule{kind: reasonNoModule, why: "the start of scini found or built none", at: o.sys.Clock()})
	}
	if err != nil || found == nil || !strings.HasSuffix(found.path, ".ko") {
		return err
	}
	err = o.sys.Jobs.RunJob(ctx, systemd.Job{Name: "scaleio-agent-insmod", Argv: []string{"/sbin/insmod", path.Clean(found.path)}, Timeout: time.Minute})
	var failed *systemd.JobError
	if errors.As(err, &failed) && failed.Result == "exit-code" {
		err = kmod.Explain(strings.TrimSpace(failed.Output), found.Module, o.sys.Facts)
		var refusal *kmod.Refusal
		if errors.As(err, &refusal) {
			o.modules.reject(found.sum, refusal)
		}
	}
	if err != nil {
		return fmt.Errorf("loading scini %s into kernel %s: %w", sdc.version, o.sys.Facts.Kernel, err)
	}
	return nil
}

// drvCfg finds the SDC's tool and file where this version of the product has them.
func drvCfg(files Files, commands Commands) scaleio.DrvCfg {
	d := scaleio.DrvCfg{Commands: commands, Path: scaleio.PathDrvCfg, File: scaleio.PathDrvCfgText}
	if !exists(files, d.Path) && exists(files, scaleio.PathDrvCfgOld) {
		d.Path = scaleio.PathDrvCfgOld
	}
	if !exists(files, d.File) && exists(files, scaleio.PathDrvCfgTextOld) {
		d.File = scaleio.PathDrvCfgTextOld
	}
	return d
}

func exists(files Files, path string) bool {
	_, _, err := files.Stat(path)
	return err == nil
}

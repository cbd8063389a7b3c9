package installer

import (
	"context"
	"errors"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/platform/kmod"
)

// packageRemoved is the fact that a component of the product is gone, its daemon stopped before. The system has let go of it already; that is looked at once
// more here, as far as the leader told.
type packageRemoved struct {
	*orders
	component string
}

func removeSDC(o *orders) step.Step { return packageRemoved{o, scaleio.SDC} }
func removeSDS(o *orders) step.Step { return packageRemoved{o, scaleio.SDS} }

func (s packageRemoved) Name() string { return "remove-" + s.component }

func (s packageRemoved) pkg() string {
	return scaleio.PackageName(s.sys.Facts.Family, s.component)
}

func (s packageRemoved) Check(ctx context.Context) (step.Finding, error) {
	state, err := s.sys.Packages.State(ctx, s.pkg())
	if errors.Is(err, platform.ErrNotFound) {
		return step.OK("%s isn't here", s.pkg()), nil
	} else if err != nil {
		return step.Finding{}, err
	}
	if f, err := s.inUse(); err != nil || f != nil {
		return orElse(f), err
	}
	return step.Need("StillThere", "%s %s is to be removed", s.pkg(), state.Version), nil
}

// inUse says who needs the component yet.
func (s packageRemoved) inUse() (*step.Finding, error) {
	var f step.Finding
	storage := s.Storage
	if s.component == scaleio.SDS {
		if storage == nil || storage.SDS == nil {
			return nil, nil
		}
		f = step.Wait("InSystem", "SDS %s is in the system yet", storage.SDS.Name)
		return &f, nil
	}
	if storage != nil && storage.SDC != nil && storage.SDC.Volumes > 0 {
		f = step.Wait("VolumesMapped", "%d volumes are mapped to this node: end the tasks that use them", storage.SDC.Volumes)
		return &f, nil
	}
	if s.sys.Facts.Container != "" { // the host's modules say nothing about this machine
		return nil, nil
	}
	loaded, err := kmod.Loaded(s.sys.Files, scaleio.ModuleName)
	if err != nil || loaded.Users == 0 {
		return nil, err
	}
	f = step.Block("ModuleInUse", "scini is in use (%d times) and never unloaded then: unmount its volumes", loaded.Users)
	return &f, nil
}

func (s packageRemoved) Apply(ctx context.Context) error {
	f, err := s.Check(ctx)
	if err != nil || f.Verdict != step.Needed {
		return errors.Join(err, notNeeded(f))
	}
	if _, err := stopActive(ctx, s.sys.Units, scaleio.Unit(s.component)); err != nil {
		return err
	}
	return s.sys.Packages.Remove(ctx, s.pkg())
}

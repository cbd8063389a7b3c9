package installer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/platform/block"
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
	if f, err := s.inUse(ctx); err != nil || f != nil {
		return orElse(f), err
	}
	return step.Need("StillThere", "%s %s is to be removed", s.pkg(), state.Version), nil
}

// inUse says who needs the component yet.
func (s packageRemoved) inUse(ctx context.Context) (*step.Finding, error) {
	var f step.Finding
	storage := s.Storage
	if s.component == scaleio.SDS {
		return s.servesYet(ctx)
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

// outLife is how old the leader's view may be that shows that an SDS is out of the system: its end is for good.
const outLife = 10 * time.Second

// servesYet: an SDS goes only if the leader sees right now that it is out of the system, and then it has let go of its disks. A daemon that has a disk open
// serves somebody, be it in another system.
func (s packageRemoved) servesYet(ctx context.Context) (*step.Finding, error) {
	var f step.Finding
	var age time.Duration
	if s.Storage != nil { // the steps before this one took their time
		age = time.Duration(s.Storage.AgeMS)*time.Millisecond + s.sys.Clock().Sub(s.planned)
	}
	switch storage := s.Storage; {
	case storage == nil:
		f = step.Wait("WaitingForLeader", "no leader tells what it sees of this node's SDS")
		return &f, nil
	case age > outLife:
		f = step.Wait("OldView", "what the leader last saw of this node's SDS is %s old", age.Round(time.Second))
		return &f, nil
	case storage.SDS != nil:
		f = step.Wait("InSystem", "SDS %s is in the system yet", storage.SDS.Name)
		return &f, nil
	}
	unit, err := s.sys.Units.State(ctx, scaleio.UnitSDS)
	if err != nil || unit.Active != "active" && unit.Active != "activating" {
		return nil, err
	}
	disks, err := s.sys.Disks.Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking at disks before the SDS is removed: %w", err)
	}
	for _, d := range disks {
		if d.Type == block.TypeProductVolume || d.Type == block.TypeROM || d.Type == block.TypeVirtual {
			continue
		}
		refusals, err := s.sys.Disks.Inspect(ctx, d, s.diskRules())
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil { // who has it open is in the refusals all the same; that it can't be read may be why the node goes
			s.opts.Log.Warn("looking whether the SDS has a disk open", "disk", d.Path, "err", err)
		}
		if i := slices.IndexFunc(refusals, openOnly(refusals)); i >= 0 {
			f = step.Block("DiskInUse", "%s, and the leader sees no SDS of this node: if it is the SDS that has it, it may serve another system; find out, then stop %s by hand",
				refusals[i].Message, scaleio.UnitSDS)
			return &f, nil
		}
	}
	return nil, nil
}

// openOnly finds that a process here has a disk open (what else has it may be a container's host), unless the system itself uses it: no SDS could have that.
func openOnly(all []block.Refusal) func(block.Refusal) bool {
	systems := slices.ContainsFunc(all, func(r block.Refusal) bool {
		return slices.Contains([]string{block.ReasonRootDisk, block.ReasonMounted, block.ReasonSwap, block.ReasonHasHolder, block.ReasonMultipathMember}, r.Reason)
	})
	return func(r block.Refusal) bool { return !systems && r.Process != "" }
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

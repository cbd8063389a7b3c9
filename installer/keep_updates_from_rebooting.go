package installer

import (
	"context"
	"errors"
	"path"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/platform/locksmith"
)

// updatesHeld is the fact that the system doesn't reboot by itself when it has updated itself: locksmithd would, five minutes after, whether the next kernel has
// its module or not and whatever other nodes do. The updates themselves go on.
type updatesHeld struct{ *orders }

func keepUpdatesFromRebooting(o *orders) step.Step { return updatesHeld{o} }

func (updatesHeld) Name() string { return "keep-updates-from-rebooting" }

// updatesItself is where the step applies.
func (o *orders) updatesItself() bool { return o.sys.Facts.Family == platform.FamilyFlatcar }

func (s updatesHeld) config() string { return locksmith.ConfigPath(s.sys.Facts.ID) }

func (s updatesHeld) read() ([]byte, error) {
	data, err := s.sys.Files.Read(s.config())
	if errors.Is(err, platform.ErrNotFound) {
		return nil, nil
	}
	return data, err
}

func (s updatesHeld) Check(ctx context.Context) (step.Finding, error) {
	config, err := s.read()
	if err != nil {
		return step.Finding{}, err
	}
	if !locksmith.RebootsOff(config) {
		return step.Need("RebootsByItself", "%s lets the system reboot by itself after an update", s.config()), nil
	}
	reboots, err := s.sys.Units.State(ctx, locksmith.Unit)
	if err != nil {
		return step.Finding{}, err
	}
	switch reboots.Active {
	case "active", "activating", "reloading": // with reboots off it ends at its start, so that this one read something else
		return step.Need("OldConfiguration", "%s still runs by what %s said before", locksmith.Unit, s.config()), nil
	}
	return step.OK("%s: reboots after updates are this program's and people's", s.config()), nil
}

func (s updatesHeld) Apply(ctx context.Context) error {
	config, err := s.read()
	if err != nil {
		return err
	}
	if err := s.sys.Files.MkdirAll(path.Dir(s.config()), 0o755); err != nil {
		return err
	}
	if !locksmith.RebootsOff(config) {
		if err := s.sys.Files.Write(s.config(), locksmith.WithRebootsOff(config), 0o644); err != nil {
			return err
		}
	}
	_, err = stopActive(ctx, s.sys.Units, locksmith.Unit) // one that is stopped or masked stays so
	return err
}

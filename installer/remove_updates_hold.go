package installer

import (
	"context"
	"path"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform/locksmith"
)

// updatesReleased is the fact that the system's own reboots after updates are again what they were before the agent came. locksmithd takes that up at the next boot.
type updatesReleased struct{ updatesHeld }

func removeUpdatesHold(o *orders) step.Step { return updatesReleased{updatesHeld{o}} }

func (updatesReleased) Name() string { return "remove-updates-hold" }

func (s updatesReleased) Check(context.Context) (step.Finding, error) {
	config, err := s.read()
	if err != nil {
		return step.Finding{}, err
	}
	if locksmith.Marked(config) {
		return step.Need("StillHeld", "%s keeps the system from rebooting by itself, as the agent wrote", s.config()), nil
	}
	return step.OK("%s is as it was before the agent", s.config()), nil
}

func (s updatesReleased) Apply(context.Context) error {
	config, err := s.read()
	if err != nil || !locksmith.Marked(config) {
		return err
	}
	back := locksmith.WithRebootsBack(config)
	if len(back) > 0 {
		return s.sys.Files.Write(s.config(), back, 0o644)
	}
	if err := s.sys.Files.Remove(s.config()); err != nil { // there was none
		return err
	}
	if dir := path.Dir(s.config()); emptyFolder(s.sys.Files, dir) {
		return s.sys.Files.Remove(dir)
	}
	return nil
}

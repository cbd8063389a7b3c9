package installer

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
)

// volumeDriverRemoved is the fact that nothing of the volume driver that the agent put here is left. A configuration or binary that is a person's stays.
type volumeDriverRemoved struct{ *orders }

func removeVolumeDriver(o *orders) step.Step { return volumeDriverRemoved{o} }

func (volumeDriverRemoved) Name() string { return "remove-volume-driver" }

// linkREXRay is what enabling its unit made.
const linkREXRay = "/etc/systemd/system/multi-user.target.wants/" + unitREXRay

func (s volumeDriverRemoved) Check(context.Context) (step.Finding, error) {
	left, err := s.left()
	if err != nil {
		return step.Finding{}, err
	}
	if len(left) == 0 {
		return step.OK("nothing of the volume driver is left that the agent put here"), nil
	}
	if o := s.Storage; o != nil && o.SDC != nil && o.SDC.Volumes > 0 {
		return step.Wait("VolumesMapped", "%d volumes are mapped to this node: end the tasks that use them", o.SDC.Volumes), nil
	}
	if busy, err := volumeDriverConfigured(s).mounting(); err != nil || busy {
		return step.Wait("MountInProgress", "a dvdcli is at work"), err
	}
	return step.Need("StillThere", "%s", strings.Join(left, ", ")), nil
}

// left lists our files, the unit last: while it is there, a run that was cut off finds the driver to stop.
func (s volumeDriverRemoved) left() (files []string, err error) {
	for _, component := range volumeDriverBinaries {
		p, listed := s.pick(component)
		if !listed || !exists(s.sys.Files, binaryPath(component)) {
			continue
		}
		same, err := s.digests.is(binaryPath(component), p.SHA256)
		if err != nil {
			return nil, err
		}
		if same {
			files = append(files, binaryPath(component))
		}
	}
	config, err := s.sys.Files.Read(rexrayConfig)
	switch {
	case errors.Is(err, platform.ErrNotFound):
		config = []byte(rexrayMark) // what belongs to it may be left
	case err != nil:
		return nil, err
	}
	if bytes.HasPrefix(config, []byte(rexrayMark)) {
		for _, f := range []string{rexrayEnv, rexrayRoots, rexrayConfig} {
			if exists(s.sys.Files, f) {
				files = append(files, f)
			}
		}
	}
	unit, err := s.sys.Files.Read(unitREXRayPath)
	if err != nil && !errors.Is(err, platform.ErrNotFound) {
		return nil, err
	}
	if err == nil && string(unit) == (installVolumeDriver(s.orders).(volumeDriverInstalled)).unit {
		if _, err := s.sys.Files.Readlink(linkREXRay); err == nil {
			files = append(files, linkREXRay)
		}
		files = append(files, unitREXRayPath)
	}
	return files, nil
}

func (s volumeDriverRemoved) Apply(ctx context.Context) error {
	f, err := s.Check(ctx)
	if err != nil || f.Verdict != step.Needed {
		return errors.Join(err, notNeeded(f))
	}
	left, err := s.left()
	if err != nil {
		return err
	}
	if _, err := stopActive(ctx, s.sys.Units, unitREXRay); err != nil {
		return err
	}
	extended := false
	for _, file := range left {
		if s.sys.Facts.Immutable && path.Dir(file) == path.Dir(binaryPath(componentREXRay)) {
			extended = true // it isn't there, but in the extension
			continue
		}
		if err := s.sys.Files.Remove(file); err != nil {
			return err
		}
	}
	if extended {
		if err := s.sys.Archives.RemoveAll(driverExtension); err != nil {
			return err
		}
		return s.mergeExtensions(ctx)
	}
	return s.sys.Units.Reload(ctx)
}

// notNeeded is nil if nothing is left to do; what came up since the last look is an error.
func notNeeded(f step.Finding) error {
	if f.Verdict == step.Needed || f.Verdict == step.Satisfied {
		return nil
	}
	return errors.New(f.Message)
}

package installer

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/platform/payload"
	"scaleio-framework/platform/pkgmgr"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
)

const (
	unitREXRay     = "rexray.service"
	unitREXRayPath = "/etc/systemd/system/" + unitREXRay
)

// volumeDriverInstalled is the fact that REX-Ray, the dvdcli that Mesos' isolator runs, and REX-Ray's unit are in place. They are single binaries: each comes
// from a verified file, by rename.
type volumeDriverInstalled struct {
	*orders
	unit string
}

func installVolumeDriver(o *orders) step.Step {
	return volumeDriverInstalled{o, systemd.RexrayUnitText}
}

func binaryPath(component string) string { return path.Join("/usr/bin", component) }

func (volumeDriverInstalled) Name() string { return "install-volume-driver" }

// driverExtension holds the binaries where /usr is read-only: Mesos' isolator looks for dvdcli in the PATH of the agent's unit, which has no other folders. They
// are static, so that they outlive every update of the system.
const driverExtension = "/var/lib/extensions/scaleio-volume-driver"

// extend lays the extension with the binaries over /usr.
func (s volumeDriverInstalled) extend(ctx context.Context) error {
	release := driverExtension + "/usr/lib/extension-release.d/extension-release." + path.Base(driverExtension)
	if err := s.sys.Files.MkdirAll(path.Dir(release), 0o755); err != nil {
		return err
	}
	if err := s.sys.Files.Write(release, payload.ExtensionRelease(s.sys.Facts.ID, s.sys.Facts.SysextLevel), 0o644); err != nil {
		return err
	}
	return s.mergeExtensions(ctx)
}

func (o *orders) mergeExtensions(ctx context.Context) error {
	return payload.MergeExtensions(ctx, o.sys.Units, func(ctx context.Context, job pkgmgr.Job) error {
		return o.sys.Jobs.RunJob(ctx, systemd.Job{Name: job.Name, Argv: job.Argv, Timeout: job.Timeout})
	})
}

var volumeDriverBinaries = []string{componentREXRay, componentDVDCLI}

func (s volumeDriverInstalled) Check(context.Context) (step.Finding, error) {
	for _, component := range volumeDriverBinaries {
		p, listed := s.pick(component)
		switch {
		case !listed && exists(s.sys.Files, binaryPath(component)): // an operator's own
			continue
		case !listed && len(s.Spec.Packages) == 0:
			return step.Wait(reasonNoManifest, noManifest, s.sys.Facts.OS), nil
		case !listed:
			return step.Block("NoPackage", "the manifest has no %s for %s: add one with its URL and sha256", component, s.sys.Facts.OS), nil
		case p.Format != formatBinary:
			return step.Block("PackageFormat", "the manifest's %s is a %s, wanted is a binary", component, p.Format), nil
		}
		there, err := s.digests.is(binaryPath(component), p.SHA256)
		if err != nil {
			return step.Finding{}, err
		}
		if !there {
			if busy, err := (volumeDriverConfigured{s.orders}).mounting(); err != nil {
				return step.Finding{}, err
			} else if busy && exists(s.sys.Files, binaryPath(component)) {
				return step.Wait("MountInProgress", "%s is to be replaced by %s %s of the manifest; a dvdcli is at work, which that would cut off", binaryPath(component), component, p.Version), nil
			}
			return step.Need("NotInstalled", "%s isn't %s %s of the manifest", binaryPath(component), component, p.Version), nil
		}
	}
	unit, err := s.sys.Files.Read(unitREXRayPath)
	if err != nil && !errors.Is(err, platform.ErrNotFound) {
		return step.Finding{}, err
	}
	if string(unit) != s.unit {
		return step.Need("OtherUnit", "%s isn't the one that starts REX-Ray after scini and without Docker too", unitREXRayPath), nil
	}
	return step.OK("%s are in /usr/bin", strings.Join(volumeDriverBinaries, " and ")), nil
}

func (s volumeDriverInstalled) Apply(ctx context.Context) error {
	changed := false
	for _, component := range volumeDriverBinaries {
		p, listed := s.pick(component)
		if !listed {
			continue
		}
		there, err := s.digests.is(binaryPath(component), p.SHA256)
		if err != nil {
			return err
		}
		if there {
			continue
		}
		if component == componentREXRay { // run-volume-driver starts the new one
			if _, err := stopActive(ctx, s.sys.Units, unitREXRay); err != nil {
				return err
			}
		}
		if err := s.put(p); err != nil {
			return err
		}
		changed = true
	}
	if changed && s.sys.Facts.Immutable {
		if err := s.extend(ctx); err != nil {
			return err
		}
	}
	unit, err := s.sys.Files.Read(unitREXRayPath)
	if err != nil && !errors.Is(err, platform.ErrNotFound) {
		return err
	}
	if string(unit) != s.unit {
		if err := s.sys.Files.Write(unitREXRayPath, []byte(s.unit), 0o644); err != nil {
			return err
		}
	}
	return s.sys.Units.Reload(ctx)
}

// put a binary in place: what is written is what was verified, the file is read once.
func (s volumeDriverInstalled) put(p api.Package) error {
	file, err := checkedFile(s.sys.Files, p)
	if err != nil {
		return err
	}
	data, err := s.sys.Files.Read(file)
	if err != nil {
		return fmt.Errorf("installing %s: %w", p.Component, err)
	}
	if sum := sha256hex(data); !strings.EqualFold(sum, p.SHA256) {
		return fmt.Errorf("installing %s: %s changed while it was read (sha256 %s)", p.Component, file, sum)
	}
	target := binaryPath(p.Component)
	if s.sys.Facts.Immutable {
		target = driverExtension + target
		if err := s.sys.Files.MkdirAll(path.Dir(target), 0o755); err != nil {
			return err
		}
	}
	return s.sys.Files.Write(target, data, 0o755)
}

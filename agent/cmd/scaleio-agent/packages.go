package main

import (
	"log/slog"
	"strings"

	"scaleio-framework/installer"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/platform/payload"
	"scaleio-framework/platform/pkgmgr"
	"scaleio-framework/systemd"
)

var (
	_ installer.Packages = (*pkgmgr.Deb)(nil)
	_ installer.Packages = (*pkgmgr.RPM)(nil)
	_ installer.Packages = (*payload.Packages)(nil)
	_ payload.Units      = (*systemd.Manager)(nil)
)

// packages are the tools that this machine has, or what stands for them where it has none.
func packages(facts platform.Facts, files *platform.Files, units *systemd.Manager, run pkgmgr.RunJob, log *slog.Logger) installer.Packages {
	if facts.Immutable {
		unpacked := payload.New("/", payload.Host{Files: files, Units: units, RunJob: run, OSID: facts.ID}, installer.PayloadRecipe)
		unpacked.Log = log
		return unpacked
	}
	ours := func(name string) bool { return strings.HasPrefix(name, scaleio.PackageName(facts.Family, "")) }
	if facts.Family == platform.FamilyRPM {
		rpm := pkgmgr.NewRPM(platform.Runner{}, files, run)
		rpm.Ours = ours
		return rpm
	}
	deb := pkgmgr.NewDeb(platform.Runner{}, files, run)
	deb.MayRemove = ours
	return deb
}

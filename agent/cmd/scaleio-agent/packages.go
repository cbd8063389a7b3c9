package main

import (
	"strings"

	"scaleio-framework/installer"
	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/platform/pkgmgr"
)

var (
	_ installer.Packages = (*pkgmgr.Deb)(nil)
	_ installer.Packages = (*pkgmgr.RPM)(nil)
)

// packages are the tools that this machine has.
func packages(facts platform.Facts, files *platform.Files, run pkgmgr.RunJob) installer.Packages {
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

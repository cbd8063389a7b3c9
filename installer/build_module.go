package installer

import (
	"context"
	"fmt"
	"path"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/platform/kmod"
)

// buildSince is the first client of each line whose start builds a missing module itself: 3.6.3 and 4.5.2, whose packages are 3.6-3000 and 4.5-2000.
var buildSince = map[int]string{3: "3.6.3000", 4: "4.5.2000"}

// buildSwitch finds the file that lets the start of scini build; "" = it isn't there.
func (o *orders) buildSwitch() string {
	for _, dir := range []string{scaleio.PathSciniSync, scaleio.PathSciniSyncOld} {
		if file := path.Join(dir, scaleio.BuildSwitchName); exists(o.sys.Files, file) {
			return file
		}
	}
	return ""
}

// builds tells whether the start of scini can build a module for the kernel: nothing of it is done by us. What it builds isn't signed.
func (o *orders) builds(kernel string, sdc sdcInstalled) bool {
	return buildable(sdc.version) && kmod.TakesUnsigned(o.sys.Facts) == nil && o.buildSwitch() != "" && len(o.lackingForBuild(kernel)) == 0
}

func buildable(version string) bool {
	numbers := versionNumbers(version)
	if len(numbers) == 0 {
		return false
	}
	since, known := buildSince[numbers[0]]
	return known && compareVersions(version, since) >= 0 || numbers[0] > 4
}

// lackingForBuild are the tools and headers that aren't here.
func (o *orders) lackingForBuild(kernel string) (lacking []string) {
	for _, file := range []string{"/usr/bin/gcc", "/usr/bin/make", path.Join("/lib/modules", kernel, "build")} {
		if !exists(o.sys.Files, file) {
			lacking = append(lacking, file)
		}
	}
	return lacking
}

// mayBuild: a person allowed it, the SDC can, and something is yet to be prepared for it.
func (o *orders) mayBuild(kernel string, sdc sdcInstalled) bool {
	return o.Spec.BuildModules && buildable(sdc.version) && kmod.TakesUnsigned(o.sys.Facts) == nil && !o.sys.Facts.Immutable && (o.buildSwitch() == "" || len(o.lackingForBuild(kernel)) > 0)
}

// builtNot says why a build that was allowed doesn't count as a module; nil = none was, or nothing stands in its way.
func (o *orders) builtNot(kernel string, sdc sdcInstalled) error {
	if !buildable(sdc.version) || o.sys.Facts.Immutable || !o.Spec.BuildModules && o.buildSwitch() == "" {
		return nil
	}
	if err := kmod.TakesUnsigned(o.sys.Facts); err != nil {
		return fmt.Errorf("one that is built here would be refused: %w", err)
	}
	if kernel != o.sys.Facts.Kernel && o.builds(kernel, sdc) {
		return fmt.Errorf("the SDC would build one only when kernel %s has started, and whether it can isn't known before", kernel)
	}
	return nil
}

// prepareBuild brings what a build needs and switches it on; the start of scini does the rest.
func (o *orders) prepareBuild(ctx context.Context, kernel string) error {
	if lacking := o.lackingForBuild(kernel); len(lacking) > 0 {
		if err := o.sys.Packages.Require(ctx, append([]string{"gcc", "make"}, headersPackage(o.sys.Facts, kernel))...); err != nil {
			return err
		}
		if lacking = o.lackingForBuild(kernel); len(lacking) > 0 {
			return fmt.Errorf("preparing to build a module: still not here: %v", lacking)
		}
	}
	if o.buildSwitch() != "" {
		return nil
	}
	if !exists(o.sys.Files, scaleio.PathSciniSync) { // before the package: it looks for the switch at its installation
		if err := o.sys.Files.MkdirAll(scaleio.PathSciniSync, 0o755); err != nil {
			return err
		}
	}
	return o.sys.Files.Write(path.Join(scaleio.PathSciniSync, scaleio.BuildSwitchName), nil, 0o644)
}

// headersPackage that fits the kernel exactly.
func headersPackage(f platform.Facts, kernel string) string {
	switch {
	case f.Family == platform.FamilyDeb:
		return "linux-headers-" + kernel
	case f.ID == "ol" && f.Flavour == "uek":
		return "kernel-uek-devel-" + kernel
	}
	return "kernel-devel-" + kernel
}

package installer

import (
	"context"
	"path"
	"strings"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/kmod"
	"scaleio-framework/platform/locksmith"
)

// leftoversRemoved is the fact that what the agent made beside packages is gone: downloads, modules, the SDC's settings, intents. It comes last, and says what
// stays. The daemon itself stays: somebody has to tell that the node is bare, and its record keeps the machine from being taken for a new one.
type leftoversRemoved struct{ *orders }

func removeLeftovers(o *orders) step.Step { return leftoversRemoved{o} }

func (leftoversRemoved) Name() string { return "remove-leftovers" }

// ReasonRemoved is what a bare node says.
const ReasonRemoved = "Removed"

// whatStays on this machine.
func (s leftoversRemoved) whatStays() string {
	stays := []string{"disks as they are, never wiped", "logs and state of the vendor's programs under /opt/emc/scaleio, and of REX-Ray under /var/lib/rexray and /var/log",
		"flags of the Mesos agent until it restarts"}
	if s.sys.Facts.Immutable {
		stays = append(stays, "systemd-sysext.service, enabled", locksmith.Unit+", stopped until the next boot")
	} else {
		stays = append(stays, "packages of the distribution")
	}
	if loaded, err := kmod.Loaded(s.sys.Files, scaleio.ModuleName); err == nil && loaded.Loaded && s.ownKernel() {
		stays = append(stays, "the loaded module "+scaleio.ModuleName+", until the next boot")
	}
	if _, _, kept := s.released.get(); len(kept) > 0 {
		stays = append(stays, "EBS volumes that outlive the instance and go on costing, detach and delete them by hand: "+strings.Join(kept, ", "))
	}
	return "stays: " + strings.Join(stays, "; ") + "; the agent (`systemctl disable --now scaleio-agent.service`, then remove /etc/systemd/system/scaleio-agent.service, " +
		"/opt/scaleio-agent, /etc/scaleio-agent, " + stateDir + " and the link /usr/local/bin/scaleio-agent or /opt/bin/scaleio-agent)"
}

// Files that packages' scripts and our steps made, which no package tool takes away.
var leftoverFiles = []string{scaleio.PathDrvCfgText, scaleio.PathDrvCfgTextOld, "/etc/emc/scaleio/scini_sync/driver_sync.conf",
	firstMesosConfig, keptMesosConfig, guidWitness, sigCheckOff, stateDir + "/gateway.pem", namedFile, namedFile + damagedSuffix}

// Folders that are ours alone.
var leftoverFolders = []string{packageDir, moduleDir, intentDir}

// Folders that packages and steps made, each before the one that it is in. They go when nothing is in them.
var emptiedFolders = []string{scaleio.PathSciniSync, path.Dir(scaleio.PathSciniSync), path.Dir(path.Dir(scaleio.PathSciniSync)), rexrayDir,
	"/etc/systemd/system/" + scaleio.UnitSDC + ".d", path.Dir(driverExtension)}

func (s leftoversRemoved) left() []string {
	var left []string
	for _, f := range leftoverFiles {
		if exists(s.sys.Files, f) {
			left = append(left, f)
		}
	}
	for _, dir := range leftoverFolders {
		if exists(s.sys.Files, dir) {
			left = append(left, dir)
		}
	}
	if exists(s.sys.Files, loaderFile) {
		left = append(left, loaderFile)
	}
	for _, dir := range emptiedFolders {
		if emptyFolder(s.sys.Files, dir) {
			left = append(left, dir)
		}
	}
	return left
}

func emptyFolder(files Files, dir string) bool {
	mode, _, err := files.Stat(dir)
	if err != nil || !mode.IsDir() {
		return false
	}
	in, err := files.Glob(dir + "/*")
	return err == nil && len(in) == 0
}

func (s leftoversRemoved) Check(context.Context) (step.Finding, error) {
	if left := s.left(); len(left) > 0 {
		return step.Need("StillThere", "%s", strings.Join(left, ", ")), nil
	}
	return step.Finding{Verdict: step.Satisfied, Reason: ReasonRemoved, Message: s.whatStays()}, nil
}

func (s leftoversRemoved) Apply(ctx context.Context) error {
	if err := s.modules.hold.release(); err != nil {
		return err
	}
	if exists(s.sys.Files, loaderFile) {
		if _, err := stopActive(ctx, s.sys.Units, loaderUnit); err != nil {
			return err
		}
		for _, f := range []string{"/etc/systemd/system/multi-user.target.wants/" + loaderUnit, loaderFile} {
			if err := s.sys.Files.Remove(f); err != nil {
				return err
			}
		}
		if err := s.sys.Units.Reload(ctx); err != nil {
			return err
		}
	}
	stored, err := s.sys.Files.Glob(moduleDir + "/*")
	if err != nil {
		return err
	}
	for _, dir := range stored { // copies that the SDC's package doesn't know of
		if err := s.dropPlaced(path.Base(dir)); err != nil {
			return err
		}
	}
	for _, f := range leftoverFiles {
		if err := s.sys.Files.Remove(f); err != nil {
			return err
		}
	}
	for _, dir := range leftoverFolders {
		if err := s.sys.Archives.RemoveAll(dir); err != nil {
			return err
		}
	}
	for _, dir := range emptiedFolders {
		if !emptyFolder(s.sys.Files, dir) {
			continue
		}
		if err := s.sys.Files.Remove(dir); err != nil {
			return err
		}
	}
	return nil
}

package installer

import (
	"context"
	"fmt"
	"slices"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
)

// platformAccepted is the fact that this machine is one that the product's packages and this program were made for.
type platformAccepted struct {
	step.Watched // a machine can't be made another one
	facts        platform.Facts
}

func acceptPlatform(o *orders) step.Step { return platformAccepted{facts: o.sys.Facts} }

func (platformAccepted) Name() string { return "accept-platform" }

func (s platformAccepted) Check(context.Context) (step.Finding, error) {
	if reason, why := refusePlatform(s.facts); reason != "" {
		return step.Block(reason, "%s", why), nil
	}
	return step.OK("%s, kernel %s", s.facts.Pretty, s.facts.Kernel), nil
}

// oses that the packages of the product exist for, of those whose tools this version drives.
var oses = []string{
	"ubuntu16.04", "ubuntu18.04", "ubuntu20.04", "ubuntu22.04", "ubuntu24.04",
	"debian12", // no package of the vendor names it; those of Ubuntu 22.04 need nothing that it lacks
}

// refusePlatform says why nothing may be installed here, or nothing.
func refusePlatform(f platform.Facts) (reason, why string) {
	switch {
	case f.Arch != "amd64":
		return "UnsupportedArchitecture", fmt.Sprintf("the product exists for amd64 only, this is %s: %s", f.Arch, f.Evidence)
	case f.Immutable:
		return "ImmutablePlatform", fmt.Sprintf("%s has a read-only /usr: packages can't be installed there: %s", f.Pretty, f.Evidence)
	case !slices.Contains(oses, f.OS):
		return "UnsupportedPlatform", fmt.Sprintf("%s (%s) is none of %v: %s", f.Pretty, f.OS, oses, f.Evidence)
	case !f.Systemd:
		return "NoSystemd", fmt.Sprintf("%s doesn't run systemd as PID 1: %s", f.Pretty, f.Evidence)
	case f.MachineID == "":
		return "NoMachineID", "this machine has no /etc/machine-id, so it can't be told from others: run systemd-machine-id-setup"
	}
	return "", ""
}

// SupportedPlatform says whether this version can make a node of the machine, and why not.
func SupportedPlatform(f platform.Facts) (supported bool, why string) {
	_, why = refusePlatform(f)
	return why == "", why
}

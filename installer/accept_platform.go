package installer

import (
	"context"
	"fmt"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// platformAccepted is the fact that this machine is one that the product's packages and this program were made for.
type platformAccepted struct {
	step.Watched // a machine can't be made another one
	facts        platform.Facts
	support      Support
	role         api.Role
	sdc          string // version that the manifest has for this OS; "" = none yet
}

func acceptPlatform(o *orders) step.Step {
	sdc, _ := o.pick(scaleio.SDC)
	return platformAccepted{facts: o.sys.Facts, support: o.support(), role: o.Spec.Role, sdc: sdc.Version}
}

// support of this machine, as far as the operator consents.
func (o *orders) support() Support { return supportOf(o.sys.Facts, o.Spec.AllowUnsupported) }

func (platformAccepted) Name() string { return "accept-platform" }

func (s platformAccepted) Check(context.Context) (step.Finding, error) {
	if reason, why := s.refused(); reason != "" {
		return step.Block(reason, "%s: %s", why, s.facts.Evidence), nil
	}
	if s.facts.SELinux != "" {
		return step.OK("%s, kernel %s, SELinux %s", s.facts.Pretty, s.facts.Kernel, s.facts.SELinux), nil
	}
	return step.OK("%s, kernel %s", s.facts.Pretty, s.facts.Kernel), nil
}

// payloadSince is the first product version whose client runs from /opt alone: before it, drv_cfg and its configuration lay under /bin, which is read-only here.
const payloadSince = "3.0"

func (s platformAccepted) refused() (reason, why string) {
	switch {
	case !s.support.Client:
		return s.support.Reason, s.support.Why
	case s.role.Storage() && !s.support.Storage:
		return "ClientOnlyPlatform", fmt.Sprintf("%s may carry a client only, and this node was given the role %s: set allow-unsupported to have SDS and tie-breaker there", named(s.facts), s.role)
	case s.facts.Immutable && s.sdc != "" && compareVersions(s.sdc, payloadSince) < 0:
		return "ProductTooOld", fmt.Sprintf("%s needs product %s or later, the manifest has SDC %s for it", named(s.facts), payloadSince, s.sdc)
	}
	return "", ""
}

package installer

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// preflight: the scheduler knows of it, and this machine can be asked.
func (o *orders) preflight() bool { return o.Spec.Preflight != nil && o.sys.Preflight != nil }

// installedBefore: a package of the product is here. Whatever is wrong with machine or network then is no reason to stop anything.
func (o *orders) installedBefore(ctx context.Context) (string, error) {
	for _, component := range []string{scaleio.SDS, scaleio.SDC, scaleio.MDM, scaleio.Gateway} {
		name := scaleio.PackageName(o.sys.Facts.Family, component)
		_, err := o.sys.Packages.State(ctx, name)
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, platform.ErrNotFound) {
			return "", err
		}
	}
	return "", nil
}

// What the product and its packages need. Memory as the machine shows it, a little less than what was bought; the gateway breaks on machines below 3 GB.
const (
	needVar      = 2 << 30
	needOpt      = 1 << 30
	needManager  = 2700 << 20
	needOthers   = 900 << 20
	needClient   = 400 << 20
	inMebibytes  = 20
	foldersOfVar = stateDir
)

// nodeChecked is the fact that nothing about this machine is known to go wrong before anything is installed on it.
type nodeChecked struct {
	step.Watched
	*orders
}

func checkNode(o *orders) step.Step { return nodeChecked{orders: o} }

func (nodeChecked) Name() string { return "check-node" }

func (s nodeChecked) Check(ctx context.Context) (step.Finding, error) {
	if name, err := s.installedBefore(ctx); err != nil || name != "" {
		return step.OK("%s is installed: not asked any more", name), err
	}
	for _, r := range s.Spec.Preflight.Refused {
		return step.Block(r.Reason, "%s", r.Message), nil
	}
	memory, err := s.sys.Preflight.Memory()
	if err != nil {
		return step.Finding{}, err
	}
	if need := s.memory(); memory < need {
		return step.Block("TooLittleMemory", "this machine has %d MiB of memory, %s needs %d: give it more, or have the scheduler leave it out (agents-match)", memory>>inMebibytes, roleText(s.Spec.Role), need>>inMebibytes), nil
	}
	var short []string
	for _, f := range []struct {
		path string
		need int64
	}{{foldersOfVar, needVar}, {"/opt", needOpt}} {
		free, err := s.sys.Preflight.Free(f.path)
		if err != nil {
			return step.Finding{}, err
		}
		if free < f.need {
			short = append(short, fmt.Sprintf("%s has %d MiB of room, %d are needed", f.path, free>>inMebibytes, f.need>>inMebibytes))
		}
	}
	if len(short) > 0 {
		return step.Block("NoSpace", "%s: make room before anything is installed", strings.Join(short, "; ")), nil
	}
	return step.OK("memory and room suffice for %s", roleText(s.Spec.Role)), nil
}

func (s nodeChecked) memory() int64 {
	switch s.Spec.Role {
	case api.RoleManager:
		return needManager
	case api.RoleClient, api.RoleUndecided:
		return needClient
	}
	return needOthers
}

func roleText(r api.Role) string {
	if r == api.RoleUndecided {
		return "a node"
	}
	return "the role " + string(r)
}

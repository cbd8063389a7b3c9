package installer

import (
	"context"
	"strings"

	"scaleio-framework/installer/step"
)

// modulesClean is the fact that our own store holds no module of a kernel that can't be booted here any more. With it go our copies in the
// cache of the vendor's scripts; what others put there is left alone.
type modulesClean struct{ *orders }

func cleanModules(o *orders) step.Step { return modulesClean{o} }

func (modulesClean) Name() string { return "clean-modules" }

func (s modulesClean) Check(ctx context.Context) (step.Finding, error) {
	stale, err := s.stale(ctx)
	if err != nil {
		return step.Finding{}, err
	}
	if len(stale) > 0 {
		return step.Need("StaleModules", "modules for kernels that are gone lie in %s: %s", moduleDir, strings.Join(stale, ", ")), nil
	}
	return step.OK("no module of a kernel that is gone lies in %s", moduleDir), nil
}

func (s modulesClean) stale(ctx context.Context) ([]string, error) {
	next, err := s.nextKernel(ctx)
	if err != nil {
		return nil, nil // what the next boot needs isn't known: prepare-next-kernel says why
	}
	return s.staleModules(next.Release)
}

func (s modulesClean) Apply(ctx context.Context) error {
	stale, err := s.stale(ctx)
	if err != nil {
		return err
	}
	for _, kernel := range stale {
		if err := s.dropModule(kernel); err != nil {
			return err
		}
	}
	return nil
}

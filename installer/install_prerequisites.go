package installer

import (
	"context"
	"errors"
	"strings"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// prerequisites of the product that its packages don't all name themselves, from the distribution's own repositories.
type prerequisites struct {
	packages Packages
	names    []string
}

func installPrerequisites(o *orders) step.Step {
	names := []string{aioLibrary(o.sys.Facts), "numactl", "openssl", "e2fsprogs", "xfsprogs"}
	if o.Spec.Role == api.RoleManager {
		names = append(names, "openjdk-8-jre-headless") // the gateway is a Tomcat of Java 8's time
	}
	return prerequisites{o.sys.Packages, names}
}

// aioLibrary was renamed when Ubuntu went to a 64-bit time_t.
func aioLibrary(f platform.Facts) string {
	if f.OS == "ubuntu24.04" {
		return "libaio1t64"
	}
	return "libaio1"
}

func (prerequisites) Name() string { return "install-prerequisites" }

func (s prerequisites) Check(ctx context.Context) (step.Finding, error) {
	missing, broken, err := s.missing(ctx)
	switch {
	case err != nil:
		return step.Finding{}, err
	case len(broken) > 0:
		return step.Need("HalfConfigured", "left half-configured: %s", strings.Join(broken, " ")), nil
	case len(missing) > 0:
		return step.Need("NotInstalled", "not installed: %s", strings.Join(missing, " ")), nil
	}
	return step.OK("%s installed", strings.Join(s.names, " ")), nil
}

func (s prerequisites) missing(ctx context.Context) (missing, broken []string, err error) {
	for _, name := range s.names {
		state, err := s.packages.State(ctx, name)
		switch {
		case errors.Is(err, platform.ErrNotFound):
			missing = append(missing, name)
		case err != nil:
			return nil, nil, err
		case !state.Configured:
			broken = append(broken, name)
		}
	}
	return missing, broken, nil
}

func (s prerequisites) Apply(ctx context.Context) error {
	missing, broken, err := s.missing(ctx)
	if err != nil {
		return err
	}
	if len(broken) > 0 {
		if err := s.packages.Recover(ctx); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return s.packages.Require(ctx, missing...)
}

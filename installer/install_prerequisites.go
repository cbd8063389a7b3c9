package installer

import (
	"context"
	"errors"
	"strings"

	"scaleio-framework/installer/scaleio"
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
	mdm, _ := o.pick(scaleio.MDM)
	return prerequisites{o.sys.Packages, prerequisiteNames(o.sys.Facts, o.Spec.Role, mdm.Version)}
}

// prerequisiteNames by system, role and product version. Where no package tool is, the payload brings its libraries and the role's steps look for the rest.
func prerequisiteNames(f platform.Facts, role api.Role, mdmVersion string) []string {
	switch f.Family {
	case platform.FamilyDeb:
		return debPrerequisites(f, role)
	case platform.FamilyRPM:
		return rpmPrerequisites(f, role, mdmVersion)
	}
	return nil
}

func debPrerequisites(f platform.Facts, role api.Role) []string {
	aio := "libaio1"
	if f.OS == "ubuntu24.04" {
		aio = "libaio1t64" // renamed when Ubuntu went to a 64-bit time_t
	}
	names := []string{aio, "numactl", "openssl", "e2fsprogs", "xfsprogs"}
	if role == api.RoleManager {
		names = append(names, "openjdk-8-jre-headless") // the gateway is a Tomcat of Java 8's time
	}
	return names
}

func rpmPrerequisites(f platform.Facts, role api.Role, mdmVersion string) []string {
	names := []string{"libaio", "numactl", "openssl", "e2fsprogs", "xfsprogs"}
	if role.MDM() {
		names = append(names, mdmPython(f, mdmVersion), "binutils")
	}
	switch {
	case role != api.RoleManager:
	case f.OS == "amzn2023":
		names = append(names, "java-1.8.0-amazon-corretto-headless")
	default:
		names = append(names, "java-1.8.0-openjdk-headless")
	}
	return names
}

// mdmPython is what the MDM's own tools are written for: 2.x for Python 2, which only version 7 has under this name.
func mdmPython(f platform.Facts, mdmVersion string) string {
	el7 := api.FitsOS("el7", f.OS)
	if el7 && mdmVersion != "" && compareVersions(mdmVersion, "3.0") < 0 {
		return "python"
	}
	return "python3"
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
	if len(s.names) == 0 {
		return step.OK("there is no package tool here: the product's packages bring their libraries"), nil
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

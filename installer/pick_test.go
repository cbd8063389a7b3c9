package installer_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/installer"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

func TestPick(t *testing.T) {
	rocky := platform.Facts{OS: "rocky9.3", Family: platform.FamilyRPM}
	ubuntu := platform.Facts{OS: "ubuntu22.04", Family: platform.FamilyDeb}
	flatcar := platform.Facts{OS: "flatcar4459.0.0", Family: platform.FamilyFlatcar}
	list := func(pairs ...string) (listed []api.Package) {
		for i := 0; i < len(pairs); i += 2 {
			listed = append(listed, api.Package{Component: "sds", OS: pairs[i], Format: pairs[i+1], Version: pairs[i] + "/" + pairs[i+1]})
		}
		return listed
	}
	for name, c := range map[string]struct {
		facts  platform.Facts
		listed []api.Package
		want   string // OS/format; "" = none
	}{
		"the minor version first":            {rocky, list("el9", "rpm", "rocky9", "rpm", "rocky9.3", "rpm"), "rocky9.3/rpm"},
		"then the major one":                 {rocky, list("any", "rpm", "el9", "rpm", "rocky9", "rpm"), "rocky9/rpm"},
		"then Enterprise Linux":              {rocky, list("any", "rpm", "el9", "rpm", "el8", "rpm"), "el9/rpm"},
		"never another version":              {rocky, list("el8", "rpm", "rocky9.4", "rpm"), ""},
		"Ubuntu by its whole version":        {ubuntu, list("ubuntu20.04", "deb", "ubuntu22.04", "siob-tar"), "ubuntu22.04/siob-tar"},
		"for any system, by the tool":        {ubuntu, list("any", "rpm", "any", "deb"), "any/deb"},
		"for any system, by the other tool":  {rocky, list("", "deb", "any", "rpm"), "any/rpm"},
		"the wrong format is found, to tell": {ubuntu, list("ubuntu22.04", "rpm"), "ubuntu22.04/rpm"},
		"Flatcar takes rpms":                 {flatcar, list("flatcar", "deb", "flatcar", "rpm"), "flatcar/rpm"},
		"a program is for everybody":         {flatcar, list("any", "binary"), "any/binary"},
		"of two the first":                   {ubuntu, append(list("ubuntu22.04", "deb"), api.Package{Component: "sds", OS: "ubuntu22.04", Format: "deb", Version: "second"}), "ubuntu22.04/deb"},
		"another component is none":          {ubuntu, []api.Package{{Component: "sdc", OS: "ubuntu22.04", Format: "deb"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, ok := installer.Pick(c.listed, "sds", c.facts)
			assert.Equal(t, c.want != "", ok)
			assert.Equal(t, c.want, p.Version)
		})
	}
}

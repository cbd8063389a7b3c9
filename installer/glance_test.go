package installer_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/installer"
	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
)

func TestGlance_seesTheMDMBecomeMaster(t *testing.T) {
	network := &platformtest.Network{}
	i := installer.New(installer.System{Facts: platform.Facts{}, Network: network, Files: platformtest.NewFiles()}, installer.Options{})
	in := installer.Input{Spec: api.NodeSpec{Role: api.RoleManager}}
	before := i.Glance(t.Context(), in)
	network.Listen("127.0.0.1:6611", true)
	assert.NotEqual(t, before, i.Glance(t.Context(), in))
	in.Spec.Role = api.RoleData
	assert.Equal(t, i.Glance(t.Context(), in), before, "a data node's look doesn't depend on it")
}

package installer_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
)

var update = flag.Bool("update", false, "write the golden plans anew")

// TestPlan_golden shows each role's plan with branch and gate: a change of it is to be reviewed.
func TestPlan_golden(t *testing.T) {
	ubuntu := one().Facts
	for name, c := range map[string]struct {
		role  api.Role
		forms bool
		facts platform.Facts
	}{
		"manager-that-forms": {api.RoleManager, true, ubuntu},
		"manager":            {api.RoleManager, false, ubuntu},
		"tie-breaker":        {api.RoleTieBreaker, false, ubuntu},
		"data":               {api.RoleData, false, ubuntu},
		"data-that-buys":     {api.RoleData, false, ubuntu},
		"client":             {api.RoleClient, false, ubuntu},
		"undecided":          {api.RoleUndecided, false, ubuntu},
		"undecided-client":   {api.RoleUndecided, false, platformtest.MachineNamed(t, "Flatcar").Facts(t)},
		"unsupported":        {api.RoleData, false, platform.Facts{OS: "sles15.5", ID: "sles", Arch: "amd64"}},
	} {
		t.Run(name, func(t *testing.T) {
			n := one()
			n.Facts, n.Spec.Role = c.facts, c.role
			if c.forms {
				n.Spec.Formation = &api.Formation{Node: n.Spec.Node, Nonce: "nonce"}
			}
			if strings.HasSuffix(name, "-that-buys") {
				n.Spec.Growth = &api.NodeGrowth{Orders: []api.VolumeOrder{order(0)}}
			}
			p, err := n.Installer().Plan(n.Input())
			require.NoError(t, err)
			golden(t, filepath.Join("testdata", "plan-"+name+".txt"), show(p))
		})
	}
}

func show(p step.Plan) string {
	var b strings.Builder
	for _, item := range p {
		line := fmt.Sprintf("%-24s %-8s %s", item.Step.Name(), item.Branch, item.After)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run with -update to write it")
	assert.Equal(t, string(want), got)
}

func TestPlan_refusesWhatItDoesNotKnow(t *testing.T) {
	for name, change := range map[string]func(*api.NodeSpec){
		"role":          func(s *api.NodeSpec) { s.Role = "witness" },
		"gate":          func(s *api.NodeSpec) { s.Gates = append(s.Gates, "moon-full") },
		"an MDM's role": func(s *api.NodeSpec) { s.MDMs = []api.MDM{{Node: "x", Role: "data"}} },
	} {
		t.Run(name, func(t *testing.T) {
			n := one()
			change(&n.Spec)
			_, err := n.Installer().Plan(n.Input())
			assert.Error(t, err)
		})
	}
}

func TestPlan_isPure(t *testing.T) {
	n := one()
	i := n.Installer()
	n.Cutter.Heal()
	_, err := i.Plan(n.Input())
	require.NoError(t, err)
	assert.Empty(t, n.Cutter.Calls())
}

func TestPlan_namesAreOnce(t *testing.T) {
	n := one()
	n.Spec.Formation = &api.Formation{Node: n.Spec.Node, Nonce: "nonce"}
	p, err := n.Installer().Plan(n.Input())
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, name := range p.Names() {
		assert.False(t, seen[name], name)
		seen[name] = true
	}
}

package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/agent"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/systemd/systemdtest"
)

func TestRelabel(t *testing.T) {
	for machine, want := range map[string]bool{"Rocky Linux 9": true, "Amazon Linux 2023": true, "CentOS Linux 8": false, "Ubuntu 22.04": false} {
		files, jobs := platformtest.NewFiles(), &systemdtest.Jobs{}
		facts := platformtest.MachineNamed(t, machine).Facts(t)
		assert.Nil(t, relabel(facts, files, jobs), "%s without the tool", machine)
		files.Set(restorecon, "", 0o755)
		label := relabel(facts, files, jobs)
		require.Equal(t, want, label != nil, "%s, SELinux %s", machine, facts.SELinux)
		if want {
			require.NoError(t, label(t.Context(), "/opt/scaleio-agent/bin"))
			require.Len(t, jobs.Ran(), 1)
			assert.Equal(t, []string{"/usr/sbin/restorecon", "-F", "-R", "/opt/scaleio-agent/bin"}, jobs.Ran()[0].Argv)
		}
	}
}

func TestMayPlace(t *testing.T) {
	for machine, why := range map[string]string{
		"Ubuntu 22.04": "", "Flatcar": "", "SLES 15": "", "Ubuntu 22.04 in systemd-nspawn": "", // the third tells the scheduler
		"Ubuntu 14.04": "doesn't run systemd", "Oracle Linux 6": "doesn't run systemd", "Amazon Linux 1": "doesn't run systemd",
		"Ubuntu 22.04 as a Docker image": "isn't on the host",
	} {
		err := mayPlace(platformtest.MachineNamed(t, machine).Facts(t))
		if why == "" {
			assert.NoError(t, err, machine)
			continue
		}
		require.ErrorIs(t, err, agent.ErrRefused, machine)
		assert.ErrorContains(t, err, why, machine)
	}
}

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
)

func TestShowDetected(t *testing.T) {
	for name, lines := range map[string][]string{
		"Ubuntu 22.04 under Secure Boot": {"supported  client and storage\n", "modules    Secure Boot enabled, lockdown integrity\n"},
		"Ubuntu 22.04 that wants signatures": {"supported  client and storage\n",
			"modules    Secure Boot disabled, signatures enforced, no module is loaded before the next boot\n"},
		"RHEL 9":         {"supported  client and storage\n", "modules    Secure Boot disabled, SELinux enforcing\n"},
		"Flatcar":        {"supported  client only; storage with allow-unsupported\n"},
		"Amazon Linux 2": {"supported  no: Amazon Linux 2 (amzn2) is taken only with allow-unsupported: "},
		"SLES 15":        {"supported  no: SUSE Linux Enterprise Server 15 SP7 (sles15.7) isn't supported: the vendor has packages for it"},
	} {
		facts := platformtest.MachineNamed(t, name).Facts(t)
		why := installer.SupportedPlatform(facts, false).Why
		var out strings.Builder
		require.NoError(t, showDetected(&out, detected(facts, installer.Observation{
			Platform: api.Platform{OS: facts.OS, Pretty: facts.Pretty, Kernel: facts.Kernel, Arch: facts.Arch, Reason: why + ": " + facts.Evidence}})))
		for _, line := range lines {
			assert.Contains(t, out.String(), line, name)
		}
		assert.Equal(t, 1, strings.Count(out.String(), facts.Evidence), "%s: the evidence once", name)
	}
}

package installer_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
)

// Words for what a machine may carry.
const (
	all     = "client and storage"
	client  = "client"
	nothing = ""
)

func carries(s installer.Support) string {
	switch {
	case s.Storage && s.Client:
		return all
	case s.Client:
		return client
	case s.Storage:
		return "storage without a client"
	}
	return nothing
}

// verdicts by hand for every machine: as it is, and with allow-unsupported.
var verdicts = map[string]struct{ is, allowed, reason, says string }{
	"Ubuntu 14.04":                       {nothing, nothing, "NoSystemd", "Ubuntu 14.04.6 LTS (ubuntu14.04) doesn't run systemd"},
	"Ubuntu 16.04":                       {is: all, allowed: all},
	"Ubuntu 18.04":                       {is: all, allowed: all},
	"Ubuntu 20.04":                       {is: all, allowed: all},
	"Ubuntu 22.04":                       {is: all, allowed: all},
	"Ubuntu 22.04 of Amazon":             {is: all, allowed: all},
	"Ubuntu 22.04 under Secure Boot":     {is: all, allowed: all},
	"Ubuntu 22.04 that wants signatures": {is: all, allowed: all},
	"Ubuntu 22.04 on arm64":              {nothing, nothing, "UnsupportedArchitecture", "amd64 only"},
	"Ubuntu 22.04 as a Docker image":     {nothing, nothing, "ApplicationContainer", "container of docker"},
	"Ubuntu 22.04 in systemd-nspawn":     {is: all, allowed: all},
	"Ubuntu 22.04 with a read-only /usr": {nothing, nothing, "ImmutablePlatform", "read-only /usr"},
	"Ubuntu 24.04":                       {is: all, allowed: all},
	"Debian 12":                          {is: all, allowed: all},
	"Debian 12, cloud":                   {is: all, allowed: all},
	"RHEL 7":                             {is: all, allowed: all},
	"RHEL 8":                             {is: all, allowed: all},
	"RHEL 9":                             {is: all, allowed: all},
	"RHEL 10":                            {nothing, nothing, "UnsupportedPlatform", "Red Hat Enterprise Linux 7/8/9"},
	"CentOS Linux 7":                     {is: all, allowed: all},
	"CentOS Linux 8":                     {is: all, allowed: all},
	"CentOS Stream 8":                    {is: all, allowed: all},
	"CentOS Stream 9":                    {is: all, allowed: all},
	"Rocky Linux 8":                      {is: all, allowed: all},
	"Rocky Linux 9":                      {is: all, allowed: all},
	"AlmaLinux 8":                        {is: all, allowed: all},
	"AlmaLinux 9":                        {is: all, allowed: all},
	"Oracle Linux 6":                     {nothing, nothing, "UnsupportedPlatform", "Oracle Linux 7/8/9"},
	"Oracle Linux 7":                     {is: all, allowed: all},
	"Oracle Linux 8 under UEK":           {is: all, allowed: all},
	"Oracle Linux 9":                     {is: all, allowed: all},
	"Amazon Linux 1":                     {nothing, nothing, "UnsupportedPlatform", "supported are Ubuntu"},
	"Amazon Linux 2":                     {nothing, all, "UnsupportedPlatform", "only with allow-unsupported"},
	"Amazon Linux 2023":                  {nothing, all, "UnsupportedPlatform", "only with allow-unsupported"},
	"SLES 15":                            {nothing, nothing, "UnsupportedPlatform", "doesn't drive zypper"},
	"CoreOS of 2015":                     {nothing, nothing, "NoSystemExtensions", "update it to Flatcar 3185 or later"},
	"CoreOS Container Linux":             {nothing, nothing, "NoSystemExtensions", "update it to Flatcar 3185 or later"},
	"Flatcar before system extensions":   {nothing, nothing, "NoSystemExtensions", "update it to Flatcar 3185 or later"},
	"Flatcar":                            {is: client, allowed: all},
	"Flatcar with a quoted os-release":   {is: client, allowed: all},
	"Fedora CoreOS":                      {nothing, nothing, "ImmutablePlatform", "ostree"},
	"RHCOS to 4.18":                      {nothing, nothing, "ImmutablePlatform", "ostree"},
	"RHCOS from 4.19":                    {nothing, nothing, "ImmutablePlatform", "ostree"},
	"early RHCOS":                        {nothing, nothing, "ImmutablePlatform", "ostree"},
}

func TestSupportedPlatform(t *testing.T) {
	for _, m := range platformtest.Machines() {
		want, ok := verdicts[m.Name]
		require.True(t, ok, "no verdict for %s", m.Name)
		facts := m.Facts(t)
		got := installer.SupportedPlatform(facts, false)
		assert.Equal(t, want.is, carries(got), m.Name)
		assert.Equal(t, want.allowed, carries(installer.SupportedPlatform(facts, true)), "%s, allowed", m.Name)
		assert.Equal(t, want.reason, got.Reason, m.Name)
		assert.Contains(t, got.Why, want.says, m.Name)
		assert.Equal(t, got.Client, got.Why == "", m.Name)
	}
}

// Every refusal of a system says what would be taken instead.
func TestSupportedPlatform_namesWhatIsSupported(t *testing.T) {
	for _, name := range []string{"Ubuntu 14.04", "RHEL 10", "SLES 15", "Amazon Linux 2", "Fedora CoreOS", "RHCOS from 4.19", "CoreOS Container Linux"} {
		why := installer.SupportedPlatform(platformtest.MachineNamed(t, name).Facts(t), false).Why
		for _, system := range []string{"Ubuntu 16.04/18.04/20.04/22.04/24.04", "Debian 12", "Rocky Linux 8/9", "Flatcar"} {
			assert.Contains(t, why, system, name)
		}
	}
}

func TestSupportedPlatform_whatIsLacking(t *testing.T) {
	for says, lacks := range map[string]func(*platform.Facts){
		"systemd-machine-id-setup": func(f *platform.Facts) { f.MachineID = "" },
		"none of its package":      func(f *platform.Facts) { f.Tool = "" },
		"systemd as PID 1":         func(f *platform.Facts) { f.Systemd = false },
	} {
		f := platformtest.MachineNamed(t, "Rocky Linux 9").Facts(t)
		require.True(t, installer.SupportedPlatform(f, false).Storage)
		lacks(&f)
		s := installer.SupportedPlatform(f, true)
		assert.Equal(t, nothing, carries(s), says)
		assert.Contains(t, s.Why, says)
	}
}

// What isn't supported is refused before anything is touched.
func TestAcceptPlatform_refusesFirst(t *testing.T) {
	for name, v := range verdicts {
		if v.is != nothing {
			continue
		}
		n := one()
		n.Facts = platformtest.MachineNamed(t, name).Facts(t)
		p, err := n.Installer().Plan(n.Input())
		require.NoError(t, err)
		assert.Equal(t, []string{"accept-platform"}, p.Names(), name)
		f := check(t, n, "accept-platform")
		assert.Equal(t, step.Blocked, f.Verdict, name)
		assert.Equal(t, v.reason, f.Reason, name)
		assert.Equal(t, 1, strings.Count(f.Message, n.Facts.Evidence), "%s: what it was decided from", name)
	}
}

func TestAcceptPlatform_clients(t *testing.T) {
	n := one()
	n.Facts = platformtest.MachineNamed(t, "Flatcar").Facts(t)
	n.Spec.Role = api.RoleClient
	require.Equal(t, step.Satisfied, check(t, n, "accept-platform").Verdict)

	n.Spec.Role = api.RoleData
	f := check(t, n, "accept-platform")
	assert.Equal(t, "ClientOnlyPlatform", f.Reason)
	assert.Contains(t, f.Message, "allow-unsupported")

	n.Spec.AllowUnsupported = true
	require.Equal(t, step.Satisfied, check(t, n, "accept-platform").Verdict)

	n.Spec.Packages = []api.Package{{Component: "sdc", OS: "flatcar", Format: "rpm", Version: "2.6-0.133"}}
	f = check(t, n, "accept-platform")
	assert.Equal(t, "ProductTooOld", f.Reason)
	assert.Contains(t, f.Message, "2.6-0.133")
}

func TestAcceptPlatform_reportsSELinux(t *testing.T) {
	for name, want := range map[string]string{
		"RHEL 7":         "Red Hat Enterprise Linux, kernel 3.10.0-862.el7.x86_64, SELinux enforcing",
		"RHEL 9":         "Red Hat Enterprise Linux 9.6 (Plow), kernel 5.14.0-570.12.1.el9_6.x86_64, SELinux enforcing",
		"CentOS Linux 7": "CentOS Linux 7 (Core), kernel 3.10.0-1160.el7.x86_64, SELinux permissive",
		"CentOS Linux 8": "CentOS Linux 8, kernel 4.18.0-348.7.1.el8_5.x86_64, SELinux disabled",
		"Debian 12":      "Debian GNU/Linux 12 (bookworm), kernel 6.1.0-18-amd64",
	} {
		n := one()
		n.Facts = platformtest.MachineNamed(t, name).Facts(t)
		assert.Equal(t, want, check(t, n, "accept-platform").Message)
	}
}

func TestObserve_clientOnly(t *testing.T) {
	for name, want := range map[string]api.Platform{
		"Rocky Linux 9":  {Supported: true},
		"Flatcar":        {Supported: true, ClientOnly: true},
		"Amazon Linux 2": {Supported: true, ClientOnly: true}, // allowed, and never a manager
	} {
		n := one()
		n.Facts = platformtest.MachineNamed(t, name).Facts(t)
		n.Spec.AllowUnsupported = true
		got := n.Installer().Observe(t.Context(), n.Input()).Platform
		assert.Equal(t, want, api.Platform{Supported: got.Supported, ClientOnly: got.ClientOnly, Reason: got.Reason}, name)
	}
}

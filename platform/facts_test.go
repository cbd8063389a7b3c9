package platform_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
)

var update = flag.Bool("update", false, "write testdata/machines.txt anew")

// TestReadFacts_golden shows the evidence and the decision for every system: a change of it is to be reviewed.
func TestReadFacts_golden(t *testing.T) {
	var got strings.Builder
	for _, m := range platformtest.Machines() {
		got.WriteString(m.Name + "\n    " + strings.ReplaceAll(m.Facts(t).Evidence, " -> ", "\n    -> ") + "\n")
	}
	const file = "testdata/machines.txt"
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got.String()), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "run with -update to write it")
	assert.Equal(t, string(want), got.String())
}

// The decisions that others build on, by hand.
func TestReadFacts(t *testing.T) {
	for name, want := range map[string]platform.Facts{
		"Ubuntu 14.04":             {OS: "ubuntu14.04", Family: platform.FamilyDeb, Tool: "apt-get"},
		"Ubuntu 22.04 of Amazon":   {OS: "ubuntu22.04", Family: platform.FamilyDeb, Tool: "apt-get", Flavour: "aws", Systemd: true},
		"Debian 12":                {OS: "debian12", Family: platform.FamilyDeb, Tool: "apt-get", Systemd: true},
		"CentOS Linux 7":           {OS: "centos7", Family: platform.FamilyRPM, Tool: "yum", Flavour: "el7", Systemd: true},
		"Oracle Linux 8 under UEK": {OS: "ol8.7", Family: platform.FamilyRPM, Tool: "dnf", Flavour: "uek", Systemd: true},
		"Amazon Linux 2023":        {OS: "amzn2023", Family: platform.FamilyRPM, Tool: "dnf", Flavour: "amzn2023", Systemd: true},
		"SLES 15":                  {OS: "sles15.7", Family: platform.FamilyOther, Tool: "zypper", Flavour: "default", Systemd: true},
		"CoreOS Container Linux":   {OS: "coreos1800.1.0", Family: platform.FamilyFlatcar, Flavour: "coreos", Immutable: true, Systemd: true},
		"Flatcar":                  {OS: "flatcar4459.0.0", Family: platform.FamilyFlatcar, Flavour: "flatcar", Immutable: true, Systemd: true},
		"Fedora CoreOS":            {OS: "fedora31", Family: platform.FamilyRPM, Tool: "rpm-ostree", Immutable: true, Systemd: true},
		"RHCOS to 4.18":            {OS: "rhcos4.18", Family: platform.FamilyRPM, Tool: "rpm-ostree", Flavour: "el9", Immutable: true, Systemd: true},
		"RHCOS from 4.19":          {OS: "rhel9.6", Family: platform.FamilyRPM, Tool: "rpm-ostree", Flavour: "el9", Immutable: true, Systemd: true},
		"early RHCOS":              {OS: "coreos4.0", Family: platform.FamilyRPM, Tool: "rpm-ostree", Flavour: "el8", Immutable: true, Systemd: true},
	} {
		if want.Flavour == "" && want.Family == platform.FamilyDeb && want.OS != "debian12" {
			want.Flavour = "generic"
		}
		got := platformtest.MachineNamed(t, name).Facts(t)
		assert.Equal(t, want, platform.Facts{OS: got.OS, Family: got.Family, Tool: got.Tool, Flavour: got.Flavour, Immutable: got.Immutable, Systemd: got.Systemd}, name)
	}
}

// What the kernel asks of a module: the reasons for a refused one are told apart by these.
func TestReadFacts_kernelRules(t *testing.T) {
	const variable = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
	for name, c := range map[string]struct {
		files map[string]string
		want  platform.Facts
	}{
		"BIOS":                       {nil, platform.Facts{SecureBoot: "disabled"}},
		"EFI with Secure Boot":       {map[string]string{variable: "\x06\x00\x00\x00\x01"}, platform.Facts{SecureBoot: "enabled"}},
		"EFI without Secure Boot":    {map[string]string{variable: "\x06\x00\x00\x00\x00"}, platform.Facts{SecureBoot: "disabled"}},
		"EFI that shows nothing":     {map[string]string{"sys/firmware/efi/fw_platform_size": "64"}, platform.Facts{SecureBoot: "unknown"}},
		"EFI with a cut variable":    {map[string]string{variable: "\x06\x00\x00\x00"}, platform.Facts{SecureBoot: "unknown"}},
		"lockdown for integrity":     {map[string]string{"sys/kernel/security/lockdown": "none [integrity] confidentiality\n"}, platform.Facts{SecureBoot: "disabled", Lockdown: "integrity"}},
		"lockdown for secrecy":       {map[string]string{"sys/kernel/security/lockdown": "none integrity [confidentiality]\n"}, platform.Facts{SecureBoot: "disabled", Lockdown: "confidentiality"}},
		"lockdown there but off":     {map[string]string{"sys/kernel/security/lockdown": "[none] integrity confidentiality\n"}, platform.Facts{SecureBoot: "disabled", Lockdown: "none"}},
		"signatures wanted":          {map[string]string{"sys/module/module/parameters/sig_enforce": "Y\n"}, platform.Facts{SecureBoot: "disabled", SigEnforce: true}},
		"signatures not wanted":      {map[string]string{"sys/module/module/parameters/sig_enforce": "N\n"}, platform.Facts{SecureBoot: "disabled"}},
		"no modules any more":        {map[string]string{"proc/sys/kernel/modules_disabled": "1\n"}, platform.Facts{SecureBoot: "disabled", ModulesDisabled: true}},
		"SELinux enforcing":          {map[string]string{"sys/fs/selinux/enforce": "1"}, platform.Facts{SecureBoot: "disabled", SELinux: "enforcing"}},
		"SELinux permissive":         {map[string]string{"sys/fs/selinux/enforce": "0"}, platform.Facts{SecureBoot: "disabled", SELinux: "permissive"}},
		"SELinux installed, but off": {map[string]string{"etc/selinux/config": "SELINUX=disabled\n"}, platform.Facts{SecureBoot: "disabled", SELinux: "disabled"}},
	} {
		m := platformtest.MachineNamed(t, "Ubuntu 22.04")
		m.Files = c.files
		f := m.Facts(t)
		assert.Equal(t, c.want, platform.Facts{SecureBoot: f.SecureBoot, Lockdown: f.Lockdown, SigEnforce: f.SigEnforce, ModulesDisabled: f.ModulesDisabled, SELinux: f.SELinux}, name)
	}
}

func TestReadFacts_plainValues(t *testing.T) {
	got := platformtest.MachineNamed(t, "Ubuntu 22.04 in systemd-nspawn").Facts(t)
	assert.NotContains(t, got.Evidence, "\n", "one line")
	got.Evidence = ""
	assert.Equal(t, platform.Facts{
		OS: "ubuntu22.04", ID: "ubuntu", IDLike: []string{"debian"}, VersionID: "22.04", Codename: "jammy", Pretty: "Ubuntu 22.04 LTS",
		Family: platform.FamilyDeb, Tool: "apt-get", Kernel: "6.1.0-18-amd64", Arch: "amd64", Systemd: true, Container: "systemd-nspawn", SecureBoot: "disabled",
		MachineID: "0123456789abcdef0123456789abcdef", BootID: "6d1b3a2e-0000-4000-8000-000000000001", Hostname: "node-1",
	}, got)
}

// The host's boot id shows in a container whose /proc was mounted anew: its own boots are told by its PID 1.
func TestReadFacts_aContainersBoots(t *testing.T) {
	boot := func(container, started string) string {
		m := platformtest.MachineNamed(t, "Debian 12")
		m.Files = map[string]string{"run/systemd/container": container + "\n", "proc/1/stat": "1 (a) b) S 0 1 1 0 -1 4194560 13201 169897 0 39 145 62 224 206 20 0 1 0 " + started + " 104497152 2972\n"}
		return m.Facts(t).BootID
	}
	assert.Equal(t, "5297496-6d1b3a2e-0000-4000-8000-000000000001", boot("systemd-nspawn", "5297496"))
	assert.NotEqual(t, boot("systemd-nspawn", "5297496"), boot("systemd-nspawn", "5300000"))
	assert.Equal(t, "6d1b3a2e-0000-4000-8000-000000000001", boot("", "5297496"), "a machine's is the kernel's")
}

func TestReadFacts_firstBootHasNoMachineID(t *testing.T) {
	m := platformtest.MachineNamed(t, "Debian 12")
	m.Files = map[string]string{"etc/machine-id": "uninitialized\n"}
	assert.Empty(t, m.Facts(t).MachineID)
}

func TestReadFacts_withoutOSRelease(t *testing.T) {
	env := platform.SystemEnv()
	env.ReadOnly = func(string) (bool, error) { return false, nil }
	_, err := platform.ReadFacts(platform.Root(t.TempDir()), env)
	require.ErrorIs(t, err, platform.ErrNotFound)
}

func TestReadFacts_fallsBackToTheVendorsOSRelease(t *testing.T) {
	root := platformtest.MachineNamed(t, "Flatcar").Root(t)
	require.NoError(t, os.MkdirAll(root.Path("usr/lib"), 0o755))
	require.NoError(t, os.Rename(root.Path("etc/os-release"), filepath.Join(string(root), "usr/lib/os-release")))
	env := platform.SystemEnv()
	env.ReadOnly = func(string) (bool, error) { return true, nil }
	f, err := platform.ReadFacts(root, env)
	require.NoError(t, err)
	assert.Equal(t, "flatcar4459.0.0", f.OS)
}

func TestReadFacts_thisMachine(t *testing.T) {
	facts, err := platform.ReadFacts("/", platform.SystemEnv())
	require.NoError(t, err)
	assert.NotEmpty(t, facts.Kernel)
	assert.NotEmpty(t, facts.OS)
	assert.NotEmpty(t, facts.Arch)
}

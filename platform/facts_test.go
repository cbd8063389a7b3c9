package platform_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
)

type machine struct {
	t           *testing.T
	root        string
	usrReadOnly bool
}

func bare(t *testing.T, release string) *machine {
	t.Helper()
	m := &machine{t: t, root: t.TempDir()}
	text, err := os.ReadFile(filepath.Join("testdata/os-release", release))
	require.NoError(t, err)
	return m.file("etc/os-release", string(text)).file("sys/firmware/memmap/0/end", "0x9fbff\n").file("etc/machine-id", "0123456789abcdef0123456789abcdef\n").
		file("proc/sys/kernel/random/boot_id", "6d1b3a2e-0000-4000-8000-000000000001\n")
}

func (m *machine) file(path, data string) *machine {
	m.t.Helper()
	path = filepath.Join(m.root, path)
	require.NoError(m.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(m.t, os.WriteFile(path, []byte(data), 0o644))
	return m
}

func (m *machine) booted() *machine { return m.file("run/systemd/system/.keep", "") }
func (m *machine) ostree() *machine { return m.file("run/ostree-booted", "") }
func (m *machine) readOnlyUsr() *machine {
	m.usrReadOnly = true
	return m
}

func (m *machine) facts() platform.Facts {
	m.t.Helper()
	facts, err := platform.ReadFacts(platform.Root(m.root), platform.FactsEnv{
		KernelRelease: func() (string, error) { return "5.15.0-25-generic", nil },
		Hostname:      func() (string, error) { return "node-1", nil },
		ReadOnly:      func(path string) (bool, error) { return m.usrReadOnly, nil },
		Arch:          "amd64",
	})
	require.NoError(m.t, err)
	return facts
}

func TestReadFacts(t *testing.T) {
	for _, row := range []struct {
		name      string
		machine   *machine
		os        string
		family    platform.Family
		immutable bool
		evidence  string
	}{
		{"Ubuntu 14.04 has upstart", bare(t, "ubuntu14.04"), "ubuntu14.04", platform.FamilyDeb, false,
			"id=ubuntu like=debian version=14.04 variant=- ostree=false usr-ro=false systemd=false tool=- container=- kernel=5.15.0-25-generic flavour=generic arch=amd64 secure-boot=disabled lockdown=- sig-enforce=false modules-disabled=false selinux=- -> family=deb immutable=false"},
		{"Ubuntu 16.04", bare(t, "ubuntu16.04").booted(), "ubuntu16.04", platform.FamilyDeb, false, ""},
		{"Ubuntu 18.04", bare(t, "ubuntu18.04").booted(), "ubuntu18.04", platform.FamilyDeb, false, ""},
		{"Ubuntu 20.04", bare(t, "ubuntu20.04").booted(), "ubuntu20.04", platform.FamilyDeb, false, ""},
		{"Ubuntu 22.04", bare(t, "ubuntu22.04").booted(), "ubuntu22.04", platform.FamilyDeb, false, ""},
		{"Ubuntu 24.04", bare(t, "ubuntu24.04").booted(), "ubuntu24.04", platform.FamilyDeb, false, ""},
		{"Debian 12 has no ID_LIKE", bare(t, "debian12").booted(), "debian12", platform.FamilyDeb, false, ""},
		{"RHEL 7", bare(t, "rhel7.5").booted(), "rhel7.5", platform.FamilyRPM, false, ""},
		{"RHEL 8", bare(t, "rhel8.10").booted(), "rhel8.10", platform.FamilyRPM, false, ""},
		{"RHEL 9", bare(t, "rhel9.6").booted(), "rhel9.6", platform.FamilyRPM, false, ""},
		{"CentOS 7 has no minor version", bare(t, "centos7").booted(), "centos7", platform.FamilyRPM, false, ""},
		{"CentOS Stream 8", bare(t, "centos8").booted(), "centos8", platform.FamilyRPM, false, ""},
		{"CentOS Stream 9", bare(t, "centos9").booted(), "centos9", platform.FamilyRPM, false, ""},
		{"Rocky", bare(t, "rocky9.3").booted(), "rocky9.3", platform.FamilyRPM, false, ""},
		{"Alma", bare(t, "almalinux8.9").booted(), "almalinux8.9", platform.FamilyRPM, false, ""},
		{"Oracle is like fedora, not rhel", bare(t, "ol8.7").booted(), "ol8.7", platform.FamilyRPM, false, ""},
		{"Amazon Linux 2", bare(t, "amzn2").booted(), "amzn2", platform.FamilyRPM, false, ""},
		{"Amazon Linux 2023", bare(t, "amzn2023").booted(), "amzn2023", platform.FamilyRPM, false, ""},
		{"CoreOS Container Linux", bare(t, "coreos").booted().readOnlyUsr(), "coreos1800.1.0", platform.FamilyFlatcar, true, ""},
		{"Flatcar, even before its /usr was looked at", bare(t, "flatcar").booted(), "flatcar4459.0.0", platform.FamilyFlatcar, true, ""},
		{"Fedora CoreOS calls itself fedora", bare(t, "fcos").booted().ostree(), "fedora31", platform.FamilyRPM, true,
			"id=fedora like=- version=31 variant=coreos ostree=true usr-ro=false systemd=true tool=- container=- kernel=5.15.0-25-generic flavour=generic arch=amd64 secure-boot=disabled lockdown=- sig-enforce=false modules-disabled=false selinux=- -> family=rpm immutable=true"},
		{"RHCOS to 4.18", bare(t, "rhcos4.18").booted().ostree(), "rhcos4.18", platform.FamilyRPM, true, ""},
		{"RHCOS from 4.19 calls itself rhel", bare(t, "rhcos4.19").booted(), "rhel9.6", platform.FamilyRPM, true, ""},
		{"early RHCOS calls itself coreos without a variant", bare(t, "rhcos-early").booted().ostree(), "coreos4.0", platform.FamilyRPM, true, ""},
		{"any system with a read-only /usr", bare(t, "ubuntu22.04").booted().readOnlyUsr(), "ubuntu22.04", platform.FamilyDeb, true, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := row.machine.facts()
			assert.Equal(t, row.os, got.OS)
			assert.Equal(t, row.family, got.Family)
			assert.Equal(t, row.immutable, got.Immutable)
			if row.evidence != "" {
				assert.Equal(t, row.evidence, got.Evidence)
			}
		})
	}
}

func TestReadFacts_plainValues(t *testing.T) {
	got := bare(t, "ubuntu22.04").booted().file("run/systemd/container", "systemd-nspawn\n").facts()
	got.Evidence = ""
	assert.Equal(t, platform.Facts{
		OS: "ubuntu22.04", ID: "ubuntu", IDLike: []string{"debian"}, VersionID: "22.04", Codename: "jammy", Pretty: "Ubuntu 22.04 LTS",
		Family: platform.FamilyDeb, Kernel: "5.15.0-25-generic", Flavour: "generic", SecureBoot: "disabled", Arch: "amd64", Systemd: true, Container: "systemd-nspawn",
		MachineID: "0123456789abcdef0123456789abcdef", BootID: "6d1b3a2e-0000-4000-8000-000000000001", Hostname: "node-1",
	}, got)
}

func TestReadFacts_firstBootHasNoMachineID(t *testing.T) {
	assert.Empty(t, bare(t, "debian12").file("etc/machine-id", "uninitialized\n").facts().MachineID)
}

func TestReadFacts_withoutOSRelease(t *testing.T) {
	env := platform.SystemEnv()
	env.ReadOnly = func(string) (bool, error) { return false, nil }
	_, err := platform.ReadFacts(platform.Root(t.TempDir()), env)
	require.ErrorIs(t, err, platform.ErrNotFound)
}

func TestReadFacts_thisMachine(t *testing.T) {
	facts, err := platform.ReadFacts("/", platform.SystemEnv())
	require.NoError(t, err)
	assert.NotEmpty(t, facts.Kernel)
	assert.NotEmpty(t, facts.OS)
	assert.NotEmpty(t, facts.Arch)
}

package platformtest

import (
	"embed"
	"os"
	"path/filepath"
	"testing"

	"scaleio-framework/platform"
)

//go:embed os-release
var releases embed.FS

// A Machine is what the files of a real one say of it.
type Machine struct {
	Name        string
	Release     string // file under os-release
	Kernel      string
	Arch        string // "" = amd64
	Upstart     bool   // no systemd
	UsrReadOnly bool
	Tools       []string // under /usr/bin
	Files       map[string]string
}

// Files that make a machine what it is.
var (
	ostree     = map[string]string{"run/ostree-booted": ""}
	enforcing  = map[string]string{"sys/fs/selinux/enforce": "1", "etc/selinux/config": "SELINUX=enforcing\n"}
	secureBoot = map[string]string{
		"sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": "\x06\x00\x00\x00\x01",
		"sys/kernel/security/lockdown":                                             "none [integrity] confidentiality\n",
	}
	noSecureBoot = map[string]string{
		"sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": "\x06\x00\x00\x00\x00",
		"sys/kernel/security/lockdown":                                             "[none] integrity confidentiality\n",
	}
	apt = []string{"apt-get"}
	dnf = []string{"dnf", "yum"} // yum is dnf's other name there
	yum = []string{"yum"}

	sysext = []string{"systemd-sysext"}
)

// Machines of every system that this program knows something of.
func Machines() []Machine {
	return []Machine{
		{Name: "Ubuntu 14.04", Release: "ubuntu14.04", Kernel: "4.4.0-148-generic", Upstart: true, Tools: apt},
		{Name: "Ubuntu 16.04", Release: "ubuntu16.04", Kernel: "4.4.0-210-generic", Tools: apt},
		{Name: "Ubuntu 18.04", Release: "ubuntu18.04", Kernel: "4.15.0-213-generic", Tools: apt},
		{Name: "Ubuntu 20.04", Release: "ubuntu20.04", Kernel: "5.4.0-167-generic", Tools: apt},
		{Name: "Ubuntu 22.04", Release: "ubuntu22.04", Kernel: "5.15.0-122-generic", Tools: apt},
		{Name: "Ubuntu 22.04 of Amazon", Release: "ubuntu22.04", Kernel: "6.8.0-1021-aws", Tools: apt, Files: noSecureBoot},
		{Name: "Ubuntu 22.04 under Secure Boot", Release: "ubuntu22.04", Kernel: "5.15.0-122-generic", Tools: apt, Files: secureBoot},
		{Name: "Ubuntu 22.04 that wants signatures", Release: "ubuntu22.04", Kernel: "5.15.0-122-generic", Tools: apt,
			Files: map[string]string{"sys/module/module/parameters/sig_enforce": "Y\n", "proc/sys/kernel/modules_disabled": "1\n"}},
		{Name: "Ubuntu 22.04 on arm64", Release: "ubuntu22.04", Kernel: "5.15.0-122-generic", Arch: "arm64", Tools: apt},
		{Name: "Ubuntu 22.04 as a Docker image", Release: "ubuntu22.04", Kernel: "5.14.0-362.8.1.el9_3.x86_64", Tools: apt, Upstart: true,
			Files: map[string]string{".dockerenv": ""}},
		{Name: "Ubuntu 22.04 in systemd-nspawn", Release: "ubuntu22.04", Kernel: "6.1.0-18-amd64", Tools: append(dnf, apt...),
			Files: map[string]string{"run/systemd/container": "systemd-nspawn\n"}},
		{Name: "Ubuntu 22.04 with a read-only /usr", Release: "ubuntu22.04", Kernel: "5.15.0-122-generic", Tools: apt, UsrReadOnly: true},
		{Name: "Ubuntu 24.04", Release: "ubuntu24.04", Kernel: "6.8.0-45-generic", Tools: apt},
		{Name: "Debian 12", Release: "debian12", Kernel: "6.1.0-18-amd64", Tools: apt},
		{Name: "Debian 12, cloud", Release: "debian12", Kernel: "6.1.0-56-cloud-amd64", Tools: apt},
		{Name: "RHEL 7", Release: "rhel7.5", Kernel: "3.10.0-862.el7.x86_64", Tools: yum, Files: enforcing},
		{Name: "RHEL 8", Release: "rhel8.10", Kernel: "4.18.0-553.el8_10.x86_64", Tools: dnf, Files: enforcing},
		{Name: "RHEL 9", Release: "rhel9.6", Kernel: "5.14.0-570.12.1.el9_6.x86_64", Tools: dnf, Files: enforcing},
		{Name: "RHEL 10", Release: "rhel10.0", Kernel: "6.12.0-55.9.1.el10_0.x86_64", Tools: dnf, Files: enforcing},
		{Name: "CentOS Linux 7", Release: "centos7", Kernel: "3.10.0-1160.el7.x86_64", Tools: yum,
			Files: map[string]string{"sys/fs/selinux/enforce": "0", "etc/selinux/config": "SELINUX=permissive\n"}},
		{Name: "CentOS Linux 8", Release: "centos8-linux", Kernel: "4.18.0-348.7.1.el8_5.x86_64", Tools: dnf,
			Files: map[string]string{"etc/selinux/config": "SELINUX=disabled\n"}},
		{Name: "CentOS Stream 8", Release: "centos8", Kernel: "4.18.0-552.el8.x86_64", Tools: dnf, Files: enforcing},
		{Name: "CentOS Stream 9", Release: "centos9", Kernel: "5.14.0-503.el9.x86_64", Tools: dnf, Files: enforcing},
		{Name: "Rocky Linux 8", Release: "rocky8", Kernel: "4.18.0-305.19.1.el8_4.x86_64", Tools: dnf, Files: enforcing},
		{Name: "Rocky Linux 9", Release: "rocky9.3", Kernel: "5.14.0-362.8.1.el9_3.x86_64", Tools: dnf, Files: enforcing},
		{Name: "AlmaLinux 8", Release: "almalinux8.9", Kernel: "4.18.0-513.5.1.el8_9.x86_64", Tools: dnf, Files: enforcing},
		{Name: "AlmaLinux 9", Release: "almalinux9.6", Kernel: "5.14.0-570.12.1.el9_6.x86_64", Tools: dnf, Files: enforcing},
		{Name: "Oracle Linux 6", Release: "ol6.10", Kernel: "4.1.12-124.48.6.el6uek.x86_64", Tools: yum, Upstart: true},
		{Name: "Oracle Linux 7", Release: "ol7.9", Kernel: "3.10.0-1160.el7.x86_64", Tools: yum, Files: enforcing},
		{Name: "Oracle Linux 8 under UEK", Release: "ol8.7", Kernel: "5.15.0-200.131.27.el8uek.x86_64", Tools: dnf, Files: enforcing},
		{Name: "Oracle Linux 9", Release: "ol9.4", Kernel: "5.14.0-427.13.1.el9_4.x86_64", Tools: dnf, Files: enforcing},
		{Name: "Amazon Linux 1", Release: "amzn2018.03", Kernel: "4.14.336-180.562.amzn1.x86_64", Tools: yum, Upstart: true},
		{Name: "Amazon Linux 2", Release: "amzn2", Kernel: "4.14.355-276.639.amzn2.x86_64", Tools: yum},
		{Name: "Amazon Linux 2023", Release: "amzn2023", Kernel: "6.1.161-183.298.amzn2023.x86_64", Tools: dnf,
			Files: map[string]string{"sys/fs/selinux/enforce": "0", "etc/selinux/config": "SELINUX=permissive\n"}},
		{Name: "SLES 15", Release: "sles15.7", Kernel: "6.4.0-150700.51-default", Tools: []string{"zypper"}},
		{Name: "CoreOS of 2015", Release: "coreos-old", Kernel: "4.1.7-coreos", UsrReadOnly: true},
		{Name: "CoreOS Container Linux", Release: "coreos", Kernel: "4.14.48-coreos-r1", UsrReadOnly: true},
		{Name: "Flatcar", Release: "flatcar", Kernel: "6.12.51-flatcar", UsrReadOnly: true, Tools: sysext},
		{Name: "Flatcar with a quoted os-release", Release: "flatcar-quoted", Kernel: "6.6.95-flatcar", UsrReadOnly: true, Tools: sysext},
		{Name: "Flatcar before system extensions", Release: "flatcar-2905", Kernel: "5.10.77-flatcar", UsrReadOnly: true},
		{Name: "Fedora CoreOS", Release: "fcos", Kernel: "5.4.7-200.fc31.x86_64", Tools: []string{"rpm-ostree"}, Files: ostree, UsrReadOnly: true},
		{Name: "RHCOS to 4.18", Release: "rhcos4.18", Kernel: "5.14.0-427.50.1.el9_4.x86_64", Tools: []string{"rpm-ostree"}, Files: ostree, UsrReadOnly: true},
		{Name: "RHCOS from 4.19", Release: "rhcos4.19", Kernel: "5.14.0-570.19.1.el9_6.x86_64", Tools: []string{"rpm-ostree"}, UsrReadOnly: true},
		{Name: "early RHCOS", Release: "rhcos-early", Kernel: "4.18.0-64.el8.x86_64", Tools: []string{"rpm-ostree"}, Files: ostree, UsrReadOnly: true},
	}
}

// MachineNamed is one of them.
func MachineNamed(t testing.TB, name string) Machine {
	t.Helper()
	for _, m := range Machines() {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("no machine is called %q", name)
	return Machine{}
}

// Root lays the machine's files.
func (m Machine) Root(t testing.TB) platform.Root {
	t.Helper()
	text, err := releases.ReadFile("os-release/" + m.Release)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"etc/os-release": string(text), "etc/machine-id": "0123456789abcdef0123456789abcdef\n", "proc/sys/kernel/random/boot_id": "6d1b3a2e-0000-4000-8000-000000000001\n",
		"sys/firmware/memmap/0/end": "0x9fbff\n",
	}
	if !m.Upstart {
		files["run/systemd/system/.keep"] = ""
	}
	for _, tool := range m.Tools {
		files["usr/bin/"+tool] = ""
	}
	for path, text := range m.Files {
		files[path] = text
	}
	root := t.TempDir()
	for path, text := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return platform.Root(root)
}

// Facts as the agent reads them there.
func (m Machine) Facts(t testing.TB) platform.Facts {
	t.Helper()
	arch := m.Arch
	if arch == "" {
		arch = "amd64"
	}
	facts, err := platform.ReadFacts(m.Root(t), platform.FactsEnv{
		KernelRelease: func() (string, error) { return m.Kernel, nil },
		Hostname:      func() (string, error) { return "node-1", nil },
		ReadOnly:      func(string) (bool, error) { return m.UsrReadOnly, nil },
		Arch:          arch,
	})
	if err != nil {
		t.Fatal(err)
	}
	return facts
}

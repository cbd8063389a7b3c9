package platform

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// FactsEnv is what can't be read from files: pulled out so that a table can stand for every distribution.
type FactsEnv struct {
	KernelRelease func() (string, error)          // uname -r
	Hostname      func() (string, error)          //
	ReadOnly      func(path string) (bool, error) // whether the file system that holds path is read-only
	Arch          string                          // in Go's words
}

// SystemEnv asks this machine.
func SystemEnv() FactsEnv {
	return FactsEnv{
		KernelRelease: func() (string, error) {
			var u unix.Utsname
			if err := unix.Uname(&u); err != nil {
				return "", fmt.Errorf("asking for the kernel's release: %w", err)
			}
			return unix.ByteSliceToString(u.Release[:]), nil
		},
		Hostname: os.Hostname,
		ReadOnly: func(path string) (bool, error) {
			var s unix.Statfs_t
			if err := unix.Statfs(path, &s); err != nil {
				return false, fmt.Errorf("looking at the file system of %s: %w", path, err)
			}
			return s.Flags&unix.ST_RDONLY != 0, nil
		},
		Arch: runtime.GOARCH,
	}
}

// ReadFacts reads what a machine is. Evidence says in one line from what it was decided.
func ReadFacts(root Root, env FactsEnv) (Facts, error) {
	release, err := readOSRelease(root)
	if err != nil {
		return Facts{}, err
	}
	kernel, err := env.KernelRelease()
	if err != nil {
		return Facts{}, err
	}
	hostname, err := env.Hostname()
	if err != nil {
		return Facts{}, fmt.Errorf("asking for the host's name: %w", err)
	}
	usrReadOnly, err := env.ReadOnly(root.Path("usr"))
	if err != nil {
		return Facts{}, err
	}
	return decideFacts(release, observed{
		kernel: kernel, hostname: hostname, arch: env.Arch,
		usrReadOnly: usrReadOnly,
		ostree:      exists(root, "run/ostree-booted"),
		systemd:     isDir(root, "run/systemd/system"), // sd_booted(3)
		sysext:      exists(root, "usr/bin/systemd-sysext"),
		tools:       packageTools(root),
		container:   container(root),
		machineID:   machineID(root),
		bootID:      bootID(root),
		rules:       kernelRulesOf(root),
	}), nil
}

type observed struct {
	kernel, hostname, arch, container, machineID, bootID string
	tools                                                []string
	usrReadOnly, ostree, systemd, sysext                 bool
	rules                                                kernelRules
}

// decideFacts is pure. Family (which package tools) and mutability (whether they may be used) are two facts: Fedora CoreOS calls itself fedora, RHCOS since
// 4.19 rhel and before rhcos or coreos, and none of them takes packages.
func decideFacts(release map[string]string, o observed) Facts {
	id := strings.ToLower(release["ID"])
	if id == "" {
		id = "linux" // os-release(5)'s default
	}
	like := strings.Fields(strings.ToLower(release["ID_LIKE"]))
	variant := release["VARIANT_ID"]
	f := Facts{
		OS: id + release["VERSION_ID"], ID: id, IDLike: like,
		VersionID: release["VERSION_ID"],
		VariantID: variant,
		Codename:  release["VERSION_CODENAME"],
		Pretty:    release["PRETTY_NAME"],
		Family:    family(id, like),
		Kernel:    o.kernel, Flavour: kernelFlavour(o.kernel), Arch: o.arch, Systemd: o.systemd,
		Container: o.container, MachineID: o.machineID, BootID: o.bootID, Hostname: o.hostname,
		UsrReadOnly: o.usrReadOnly, OSTree: o.ostree,
		SecureBoot: o.rules.secureBoot, Lockdown: o.rules.lockdown, SigEnforce: o.rules.sigEnforce, ModulesDisabled: o.rules.modulesDisabled,
		SELinux: o.rules.selinux,
	}
	f.Tool = packageTool(f.Family, o.tools)
	if o.sysext {
		f.SysextLevel = release["SYSEXT_LEVEL"]
	}
	f.Immutable = variant == "coreos" || o.ostree || o.usrReadOnly || f.Family == FamilyFlatcar
	f.Evidence = evidence(f)
	return f
}

// evidence is the one line that a person needs to follow the decision.
func evidence(f Facts) string {
	r := strings.Join([]string{
		"id=" + f.ID, "like=" + orDash(strings.Join(f.IDLike, "+")), "version=" + orDash(f.VersionID), "variant=" + orDash(f.VariantID),
		fmt.Sprintf("ostree=%t usr-ro=%t systemd=%t", f.OSTree, f.UsrReadOnly, f.Systemd), "sysext=" + orDash(f.SysextLevel), "tool=" + orDash(f.Tool), "container=" + orDash(f.Container),
		"kernel=" + f.Kernel, "flavour=" + orDash(f.Flavour), "arch=" + f.Arch,
		"secure-boot=" + f.SecureBoot, "lockdown=" + orDash(f.Lockdown), fmt.Sprintf("sig-enforce=%t modules-disabled=%t", f.SigEnforce, f.ModulesDisabled),
		"selinux=" + orDash(f.SELinux),
	}, " ")
	return fmt.Sprintf("%s -> family=%s immutable=%t", r, f.Family, f.Immutable)
}

func family(id string, like []string) Family {
	is := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return id == n || slices.Contains(like, n) })
	}
	switch {
	case is("rhel", "fedora", "centos") || id == "rhcos" || id == "ol": // first: early RHCOS was ID=coreos, ID_LIKE="rhel fedora"
		return FamilyRPM
	case is("flatcar", "coreos"):
		return FamilyFlatcar
	case is("debian", "ubuntu"):
		return FamilyDeb
	}
	return FamilyOther
}

func readOSRelease(root Root) (map[string]string, error) {
	for _, path := range []string{"etc/os-release", "usr/lib/os-release"} {
		if text, err := os.ReadFile(root.Path(path)); err == nil {
			return parseOSRelease(string(text)), nil
		}
	}
	return nil, fmt.Errorf("reading /etc/os-release or /usr/lib/os-release: %w", ErrNotFound)
}

// toolsOf a family, the preferred one first. Enterprise Linux 8 and later have yum as another name of dnf; Debian and Ubuntu package dnf too.
var toolsOf = map[Family][]string{
	FamilyDeb: {"apt-get"}, FamilyRPM: {"rpm-ostree", "dnf", "yum"}, FamilyOther: {"zypper", "apt-get", "dnf", "yum"},
}

func packageTool(family Family, there []string) string {
	for _, tool := range toolsOf[family] {
		if slices.Contains(there, tool) {
			return tool
		}
	}
	return ""
}

func packageTools(root Root) (there []string) {
	for _, tool := range []string{"apt-get", "dnf", "yum", "rpm-ostree", "zypper"} {
		if exists(root, "usr/bin/"+tool) {
			there = append(there, tool)
		}
	}
	return there
}

// container as PID 1 noted it (systemd writes the file in any container that says what it is), else by the marks of Docker and Podman.
func container(root Root) string {
	switch name := readLine(root, "run/systemd/container"); {
	case name != "":
		return name
	case exists(root, ".dockerenv"):
		return "docker"
	case exists(root, "run/.containerenv"):
		return "podman"
	}
	return ""
}

// machineID is empty while the machine is on its first boot.
func machineID(root Root) string {
	if id := readLine(root, "etc/machine-id"); id != "uninitialized" {
		return id
	}
	return ""
}

// bootID tells one boot from the next. A container's manager puts one of its own over the kernel's; where /proc is mounted anew, as it is for a unit with
// ProtectKernelLogs, the host's shows, which outlives the container's boots. When its PID 1 began doesn't.
func bootID(root Root) string {
	id := readLine(root, "proc/sys/kernel/random/boot_id")
	if container(root) == "" {
		return id
	}
	stat := readLine(root, "proc/1/stat")
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	const started = 22 - 3 // proc(5): the third is the first after the name
	if len(fields) <= started {
		return id
	}
	return fields[started] + "-" + id
}

func readLine(root Root, path string) string {
	text, err := os.ReadFile(root.Path(path))
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line
}

func exists(root Root, path string) bool {
	_, err := os.Stat(root.Path(path))
	return err == nil
}

func isDir(root Root, path string) bool {
	info, err := os.Stat(root.Path(path))
	return err == nil && info.IsDir()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

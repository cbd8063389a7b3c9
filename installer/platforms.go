package installer

import (
	"fmt"
	"slices"
	"strings"

	"scaleio-framework/platform"
)

// A SupportedOS is one row of what this program brings up: the systems that the vendor makes packages for, those that take these packages unchanged, and those
// that carry a client only.
type SupportedOS struct {
	ID       string   // os-release ID
	Versions []string // VERSION_IDs, or majors where the packages are the same for all minors; nil = every version
	Name     string   // for people
	Packages string   // as file names of the product's packages tell their system apart
	Client   bool     // may carry an SDC and the volume driver
	Storage  bool     // may carry SDS and MDM
	Allow    bool     // what is lacking is had by allowUnsupported
	Note     string
}

const (
	noteKernel  = "the SDC package brings modules for the distribution's own kernels"
	noteRepo    = "the SDC's module comes from a repository, or is built on the node"
	noteRebuild = "rebuilt from the same sources: takes the packages of Red Hat Enterprise Linux"
)

// SupportedOSes in the order of the README's table.
var SupportedOSes = []SupportedOS{
	{ID: "ubuntu", Versions: []string{"16.04", "18.04", "20.04", "22.04", "24.04"}, Name: "Ubuntu", Packages: "deb, or tar with siob", Client: true, Storage: true, Note: noteRepo},
	{ID: "debian", Versions: []string{"12"}, Name: "Debian", Packages: "deb", Client: true, Storage: true,
		Note: "no package of the vendor names it; those of Ubuntu 22.04 fit: list them for `debian12`. Managers need openjdk-8-jre-headless from a repository of yours"},
	{ID: "rhel", Versions: []string{"7", "8", "9"}, Name: "Red Hat Enterprise Linux", Packages: "rpm", Client: true, Storage: true, Note: noteKernel},
	{ID: "centos", Versions: []string{"7", "8", "9"}, Name: "CentOS and CentOS Stream", Packages: "rpm", Client: true, Storage: true, Note: noteKernel + "; Stream's run ahead of them"},
	{ID: "rocky", Versions: []string{"8", "9"}, Name: "Rocky Linux", Packages: "rpm", Client: true, Storage: true, Note: noteRebuild},
	{ID: "almalinux", Versions: []string{"8", "9"}, Name: "AlmaLinux", Packages: "rpm", Client: true, Storage: true, Note: noteRebuild},
	{ID: "ol", Versions: []string{"7", "8", "9"}, Name: "Oracle Linux", Packages: "rpm", Client: true, Storage: true,
		Note: noteRebuild + "; under the UEK kernel its modules don't fit, so boot the Red Hat compatible one or provide a module"},
	{ID: "amzn", Versions: []string{"2", "2023"}, Name: "Amazon Linux", Packages: "rpm", Allow: true,
		Note: "the vendor has no packages for it: those of el7 (2) and el9 (2023) are taken, their modules fit no kernel of Amazon's, so provide one"},
	{ID: "flatcar", Name: "Flatcar", Packages: "rpm, unpacked to /opt", Client: true, Allow: true, Note: "release 3185 and later, product 3.x and later; each OS release needs its own module"},
}

// Support is what a machine may carry. Reason and Why are empty unless it may carry nothing.
type Support struct {
	Client  bool
	Storage bool
	Reason  string
	Why     string
}

// reported is why, with what it was decided from.
func (s Support) reported(f platform.Facts) string {
	if s.Why == "" {
		return ""
	}
	return s.Why + ": " + f.Evidence
}

// ReasonContainer is the one that place needs to know.
const ReasonContainer = "ApplicationContainer"

// supportOf decides, from facts alone, what may be installed on a machine, before anything is touched.
func supportOf(f platform.Facts, allowUnsupported bool) Support {
	if reason, why := refuse(f); reason != "" {
		return Support{Reason: reason, Why: why}
	}
	os, ok := SystemOf(f)
	s := Support{Client: os.Client, Storage: os.Storage}
	if os.Allow && allowUnsupported {
		s.Client, s.Storage = true, true
	}
	switch {
	case !ok:
		return Support{Reason: "UnsupportedPlatform", Why: fmt.Sprintf("%s isn't supported: %s; supported are %s", named(f), whyNot(f), supportedNames())}
	case !s.Client:
		return Support{Reason: "UnsupportedPlatform",
			Why: fmt.Sprintf("%s is taken only with allow-unsupported: %s; supported are %s", named(f), os.Note, supportedNames())}
	}
	return s
}

// whyNot tells systems that the vendor has packages for from those that he hasn't.
func whyNot(f platform.Facts) string {
	switch {
	case !f.Systemd:
		return "it doesn't run systemd as PID 1"
	case f.ID == "sles":
		return "the vendor has packages for it, but this version doesn't drive zypper"
	}
	return "the vendor has no packages for it"
}

// refuse what no choice of packages could make a node of.
func refuse(f platform.Facts) (reason, why string) {
	os, _ := SystemOf(f)
	switch {
	case f.Arch != "amd64":
		return "UnsupportedArchitecture", fmt.Sprintf("the product exists for amd64 only, this is %s", f.Arch)
	case f.Container != "" && !systemContainer(f.Container):
		return ReasonContainer, fmt.Sprintf("this is a container of %s: what is installed in it isn't on the host; run the agent on the host, the Mesos task without an image", f.Container)
	case f.OSTree || f.VariantID == "coreos":
		return "ImmutablePlatform", fmt.Sprintf("%s is made of an ostree: nothing installed beside it lasts and packages can't be installed; the vendor has a container image of the client for it; supported are %s",
			named(f), supportedNames())
	case f.Immutable && f.Family != platform.FamilyFlatcar:
		return "ImmutablePlatform", fmt.Sprintf("%s has a read-only /usr: packages can't be installed there", named(f))
	case f.Family == platform.FamilyFlatcar && f.SysextLevel == "":
		return "NoSystemExtensions", fmt.Sprintf("%s takes no system extensions (systemd-sysext), and nothing else can be put under its read-only /usr: update it to Flatcar 3185 or later, "+
			"which takes the place of CoreOS Container Linux; supported are %s", named(f), supportedNames())
	case os.ID != "" && !f.Systemd, f.ID == "ubuntu" && !f.Systemd:
		return "NoSystemd", fmt.Sprintf("%s doesn't run systemd as PID 1; supported are %s", named(f), supportedNames())
	case os.ID != "" && f.Tool == "" && !f.Immutable:
		return "NoPackageTool", fmt.Sprintf("%s has none of its package tools (apt-get, dnf, yum)", named(f))
	case os.ID != "" && f.MachineID == "":
		return "NoMachineID", "this machine has no /etc/machine-id, so it can't be told from others: run systemd-machine-id-setup"
	}
	return "", ""
}

// systemContainer tells containers that are machines of their own, with their own PID 1, from those that carry an application's image.
func systemContainer(name string) bool {
	return slices.Contains([]string{"systemd-nspawn", "lxc", "lxc-libvirt"}, name)
}

// SystemOf gives the row for a machine.
func SystemOf(f platform.Facts) (SupportedOS, bool) {
	for _, os := range SupportedOSes {
		if os.ID != f.ID {
			continue
		}
		if os.Versions == nil || os.Version(f) != "" {
			return os, true
		}
	}
	return SupportedOS{}, false
}

// Version is the one of Versions that a machine has; "" = none of them.
func (s SupportedOS) Version(f platform.Facts) string {
	major, _, _ := strings.Cut(f.VersionID, ".")
	for _, version := range s.Versions {
		if version == f.VersionID || version == major {
			return version
		}
	}
	return ""
}

func named(f platform.Facts) string {
	if f.Pretty == "" {
		return f.OS
	}
	return fmt.Sprintf("%s (%s)", f.Pretty, f.OS)
}

// supportedNames of the systems that need no consent.
func supportedNames() string {
	var names []string
	for _, os := range SupportedOSes {
		if os.Client {
			names = append(names, strings.TrimSpace(os.Name+" "+strings.Join(os.Versions, "/")))
		}
	}
	return strings.Join(names, ", ")
}

// SupportedPlatform says what this version can make of the machine, and why not.
func SupportedPlatform(f platform.Facts, allowUnsupported bool) Support {
	return supportOf(f, allowUnsupported)
}

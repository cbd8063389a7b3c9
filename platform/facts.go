package platform

// Facts about a machine: plain values, read once at start. They say what is there, not what should be.
type Facts struct {
	OS        string // ID + VERSION_ID of os-release: "ubuntu22.04", "debian12", "rocky9.3"
	ID        string // os-release ID
	IDLike    []string
	VersionID string
	VariantID string // "coreos" on Fedora CoreOS and RHCOS, whatever they call themselves
	Codename  string
	Pretty    string
	Family    Family
	Kernel    string // uname -r
	Flavour   string // of the kernel: "generic", "aws", "uek", "el9", "flatcar" ...; "" = none that the release names
	Arch      string // GOARCH words: amd64
	Systemd   bool   // /run/systemd/system exists
	Tool      string // the package tool that is there: "apt-get", "dnf", "yum", "zypper", "rpm-ostree"; "" = none
	Immutable bool   // read-only /usr, ostree, or VARIANT_ID=coreos: no package installs
	Container string // "systemd-nspawn", "docker" ...; "" = a machine
	MachineID string
	BootID    string
	Hostname  string

	UsrReadOnly bool // the file system that holds /usr is read-only
	OSTree      bool // booted from an ostree deployment
	// SysextLevel that system extensions for this system name, where systemd-sysext (systemd 248 and later) lays them over /usr; "" = it takes none.
	SysextLevel string

	// What the running kernel asks of a module. In a container it is the host's.
	SecureBoot      string // "enabled" | "disabled" | "unknown": the firmware doesn't let itself be asked
	Lockdown        string // "none" | "integrity" | "confidentiality"; "" = the kernel has none, or doesn't say
	SigEnforce      bool   // unsigned modules are refused
	ModulesDisabled bool   // no module is loaded any more until the next boot
	SELinux         string // "enforcing" | "permissive" | "disabled"; "" = the system has none

	Evidence string // one line of key=value that all of it was decided from
}

// Family decides the package tools.
type Family string

// The families.
const (
	FamilyDeb     Family = "deb"
	FamilyRPM     Family = "rpm"
	FamilyFlatcar Family = "flatcar"
	FamilyOther   Family = "other"
)

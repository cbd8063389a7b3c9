package platform

// Facts about a machine: plain values, read once at start. They say what is there, not what should be.
type Facts struct {
	OS        string // ID + VERSION_ID of os-release: "ubuntu22.04", "debian12", "rocky9.3"
	ID        string // os-release ID
	IDLike    []string
	VersionID string
	Codename  string
	Pretty    string
	Family    Family
	Kernel    string // uname -r
	Arch      string // GOARCH words: amd64
	Systemd   bool   // /run/systemd/system exists
	Immutable bool   // read-only /usr, ostree, or VARIANT_ID=coreos: no package installs
	Container string // "systemd-nspawn", "docker" ...; "" = a machine
	MachineID string
	BootID    string
	Hostname  string
	Evidence  string // one line of key=value that the decision was made from
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

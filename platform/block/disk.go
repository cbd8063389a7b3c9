package block

// A Disk is a whole block device that the machine's own /dev holds (in a container /sys shows the host's others too).
type Disk struct {
	ID        string // WWN, serial or EBS volume id; for a loop device the backing file; "" if it has no identity
	Kernel    string // nvme1n1: as of now, never stored
	Path      string // /dev/nvme1n1: as of now, too
	Link      string // /dev/disk/by-id/...: what udev makes of its identity, and leads to it now; "" = none. Only a scan fills it in
	Major     uint32
	Minor     uint32
	SizeBytes int64
	Type      string // disk | loop | dm | md | rom ...
	Model     string
	Serial    string
	ReadOnly  bool
	Removable bool
	Sector    int    // bytes that the disk addresses: 512, or 4096 of a "4Kn" disk; 0 = not known
	Transport string // nvme | virtio | scsi | xen | loop ...
}

// Rules that a disk must meet before it may be given away.
type Rules struct {
	AllowTypes   []string // types other than "disk" that may be used: loop, dm
	MinSizeBytes int64
}

// A Refusal is one reason why a disk must not be touched.
type Refusal struct {
	Reason  string // CamelCase, stable: the Reason constants
	Message string
	Process string // pid of the process that has it open; "" = none that is seen here
}

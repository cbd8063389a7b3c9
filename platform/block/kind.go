package block

// Types of a Disk.
const (
	TypeDisk          = "disk"
	TypeLoop          = "loop"
	TypeDM            = "dm"
	TypeMD            = "md"
	TypeROM           = "rom"
	TypeVirtual       = "virtual" // no device behind it and no type of its own: ram, zram, nbd ...
	TypeProductVolume = "volume"  // served by the storage cluster that this node is a client of
)

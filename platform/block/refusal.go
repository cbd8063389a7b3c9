package block

import (
	"fmt"
	"slices"
)

// Reasons of a Refusal.
const (
	ReasonTypeNotAllowed    = "TypeNotAllowed"
	ReasonNoIdentity        = "NoIdentity"
	ReasonDuplicateIdentity = "DuplicateIdentity"
	ReasonIdentityChanged   = "IdentityChanged"
	ReasonReadOnly          = "ReadOnly"
	ReasonRemovable         = "Removable"
	ReasonInstanceStore     = "InstanceStore"
	ReasonTooSmall          = "TooSmall"
	ReasonSectorSize        = "SectorSize"
	ReasonProductVolume     = "ProductVolume"
	ReasonRootDisk          = "RootDisk"
	ReasonMounted           = "Mounted"
	ReasonSwap              = "Swap"
	ReasonHasHolder         = "HasHolder"
	ReasonMultipathMember   = "MultipathMember"
	ReasonInUse             = "InUse"
	ReasonHasPartitionTable = "HasPartitionTable"
	ReasonHasSignature      = "HasSignature"
	ReasonNotEmpty          = "NotEmpty"
)

// Models that tell what an NVMe disk of EC2 is. The instance store has a serial too, so it is told apart by model and never by bus.
const (
	modelEBS           = "Amazon Elastic Block Store"
	modelInstanceStore = "Amazon EC2 NVMe Instance Storage"
)

// sectorBytes is the one size that every version of the product takes: SECTOR_SIZE_NOT_SUPPORTED (668) is its answer to others.
const sectorBytes = 512

// Judge says what stands against a disk by its plain facts alone: type, identity, size, flags. It reads nothing.
func Judge(d Disk, rules Rules) []Refusal {
	var r refusals
	if d.Type != TypeDisk && !slices.Contains(rules.AllowTypes, d.Type) {
		r.add(ReasonTypeNotAllowed, "%s is of type %s, which disks.allowTypes doesn't name", d.Path, d.Type)
	}
	if d.Type == TypeProductVolume {
		r.add(ReasonProductVolume, "%s is a volume that the storage cluster itself serves", d.Path)
	}
	if d.ID == "" {
		r.add(ReasonNoIdentity, "%s has no WWN, serial or volume id, so it can't be told apart after a reboot", d.Path)
	}
	if d.ReadOnly {
		r.add(ReasonReadOnly, "%s is read-only", d.Path)
	}
	if d.Removable {
		r.add(ReasonRemovable, "%s is removable", d.Path)
	}
	if d.Model == modelInstanceStore {
		r.add(ReasonInstanceStore, "%s is an instance store: its data is lost when the instance stops", d.Path)
	}
	if d.SizeBytes < rules.MinSizeBytes {
		r.add(ReasonTooSmall, "%s has %d bytes, at least %d are needed", d.Path, d.SizeBytes, rules.MinSizeBytes)
	}
	if d.Sector != 0 && d.Sector != sectorBytes {
		r.add(ReasonSectorSize, "%s has sectors of %d bytes; only %d are supported", d.Path, d.Sector, sectorBytes)
	}
	return r
}

type refusals []Refusal

func (r *refusals) add(reason, format string, a ...any) {
	*r = append(*r, Refusal{Reason: reason, Message: fmt.Sprintf(format, a...)})
}

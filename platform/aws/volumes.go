package aws

import (
	"context"
	"time"
)

// Volumes of this instance: nothing is attached to or detached from any other. Each call makes one request (Tagged one per page; Await one per look, however
// many volumes it waits for), is bounded, and fails with errors that the Err values tell apart. Reads lag behind writes: what was just created may be
// missing from the next look.
type Volumes interface {
	// Tagged lists the volumes of the region that carry all of these tags, attached to whatever they are. Deleted ones may be among them for a while.
	Tagged(ctx context.Context, tags map[string]string) ([]Volume, error)

	// Describe by id. Those that EC2 doesn't know, not yet or no more, are missing from the answer.
	Describe(ctx context.Context, ids ...string) (map[string]Volume, error)

	// Create a volume, tags and all, in one request; it is creating when this returns. The same client token gives the same volume again. ErrBurnt: the token
	// can't be used any more. After ErrLimit, ErrUnavailable and an ended ctx it may exist nevertheless: look by tag.
	Create(ctx context.Context, wanted NewVolume) (Volume, error)

	// AwaitAvailable looks until each of them is available, or attached already, or never will be: in error, deleted, or missing for longer than reads lag (an
	// encryption key that may not be used shows in this way). Missing ones are left out. ErrTimeout comes with what was seen last.
	AwaitAvailable(ctx context.Context, ids ...string) (map[string]Volume, error)

	// Attach to this instance under a device name that is free; it is attaching when this returns. Already attached here is no error. ErrConflict: another
	// instance has it, or it isn't available. ErrLimit: the instance takes no more.
	Attach(ctx context.Context, id string) (Attachment, error)

	// AwaitAttached looks until each of them is attached here, or never will be. ErrTimeout comes with what was seen last: an attachment that goes on
	// attaching for longer than this waits is stuck.
	AwaitAttached(ctx context.Context, ids ...string) (map[string]Volume, error)

	// Detach from this instance, never by force. Not attached here is no error.
	Detach(ctx context.Context, id string) error

	// Delete a volume that is available and carries all of these tags, looked at right before; else ErrConflict. Gone is no error.
	Delete(ctx context.Context, id string, tags map[string]string) error

	// SetDeleteOnTermination of a volume that is attached here. What is attached after launch is kept unless this says otherwise.
	SetDeleteOnTermination(ctx context.Context, id string, on bool) error

	// Slots that this instance has for volumes.
	Slots(ctx context.Context) (Slots, error)
}

// NewVolume is what Create makes. Everything is said: EC2's defaults are none of ours (without a type it makes gp2).
type NewVolume struct {
	ClientToken    string // at most 64 characters
	Zone           string
	Type           string
	SizeGiB        int
	IOPS           int // 0 = the type's
	ThroughputMiBs int // 0 = the type's
	Encrypted      bool
	KMSKey         string // "" = the account's default
	Tags           map[string]string
}

// States of a volume.
const (
	VolumeCreating  = "creating"
	VolumeAvailable = "available"
	VolumeInUse     = "in-use" // already while its attachment is still attaching
	VolumeDeleting  = "deleting"
	VolumeDeleted   = "deleted"
	VolumeError     = "error"
)

// A Volume as EC2 shows it.
type Volume struct {
	ID          string
	State       string
	Zone        string
	Type        string
	SizeGiB     int
	IOPS        int // it has, chosen or not
	Throughput  int // MiB/s
	Encrypted   bool
	Created     time.Time
	Tags        map[string]string
	Attachments []Attachment
}

// States of an attachment.
const (
	Attaching = "attaching"
	Attached  = "attached"
	Detaching = "detaching"
	Detached  = "detached"
	Busy      = "busy" // asked to be detached while the instance has it open
)

// An Attachment of a volume to an instance.
type Attachment struct {
	Instance            string
	Device              string // as requested: /dev/xvdba. NVMe disks have the volume's id as serial, and another name
	State               string
	DeleteOnTermination bool
	Since               time.Time
}

// On gives the volume's attachment to an instance; ok is false if there is none or it has ended.
func (v Volume) On(instance string) (Attachment, bool) {
	for _, a := range v.Attachments {
		if a.Instance == instance && a.State != Detached {
			return a, true
		}
	}
	return Attachment{}, false
}

// Slots for volumes of an instance. Max is 0 if the type doesn't say.
type Slots struct {
	Max  int // volumes, root included: what shares the slots (network interfaces, instance store) is taken off
	Used int

	Attached []string // volumes that Used counts
}

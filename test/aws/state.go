package aws

import (
	"maps"
	"time"
)

// VolumeState is what EC2 says of a volume.
type VolumeState string

// The states of a volume.
const (
	Creating  VolumeState = "creating"
	Available VolumeState = "available"
	InUse     VolumeState = "in-use" // from AttachVolume on: the attachment may still be attaching
	Deleting  VolumeState = "deleting"
	Error     VolumeState = "error"
)

// AttachmentState is what EC2 says of an attachment.
type AttachmentState string

// The states of an attachment; one that ended isn't listed.
const (
	Attaching AttachmentState = "attaching"
	Attached  AttachmentState = "attached"
	Detaching AttachmentState = "detaching"
	Busy      AttachmentState = "busy" // detaching, while the machine has the disk open
)

// A Volume as it is in truth. What callers read of it may be older.
type Volume struct {
	ID             string            `json:"id"`
	Zone           string            `json:"zone"`
	Type           string            `json:"type"`
	SizeGiB        int               `json:"sizeGib"`
	IOPS           int               `json:"iops,omitempty"`
	ThroughputMiBs int               `json:"throughputMiBs,omitempty"`
	Encrypted      bool              `json:"encrypted,omitempty"`
	KMSKey         string            `json:"kmsKey,omitempty"`
	Created        time.Time         `json:"created"`
	State          VolumeState       `json:"state"`
	Tags           map[string]string `json:"tags,omitempty"`
	Attachment     *Attachment       `json:"attachment,omitempty"`
	Settles        time.Time         `json:"settles,omitzero"` // when State changes by itself: creating, deleting
	Doomed         bool              `json:"doomed,omitempty"` // its key can't be used: it vanishes instead of becoming available
}

// An Attachment of a volume to an instance.
type Attachment struct {
	Instance            string          `json:"instance"`
	Device              string          `json:"device"` // as it was asked for
	State               AttachmentState `json:"state"`
	Since               time.Time       `json:"since"`
	DeleteOnTermination bool            `json:"deleteOnTermination,omitempty"`
	Settles             time.Time       `json:"settles,omitzero"` // when State changes by itself; zero while attaching = it never does
	Appears             time.Time       `json:"appears,omitzero"` // when the machine sees it; zero = it does, or never will
	Plugged             bool            `json:"plugged,omitempty"`
}

func (v *Volume) clone() *Volume {
	c := *v
	c.Tags = maps.Clone(v.Tags)
	if v.Attachment != nil {
		a := *v.Attachment
		c.Attachment = &a
	}
	return &c
}

func (v *Volume) attachedTo(instance string) bool {
	return v.Attachment != nil && v.Attachment.Instance == instance
}

// token is what EC2 remembers of a CreateVolume.
type token struct {
	Volume  string    `json:"volume"`
	Asked   string    `json:"asked"` // digest of the parameters
	Created time.Time `json:"created"`
}

// state is all that outlives this process.
type state struct {
	Volumes   map[string]*Volume     `json:"volumes"`
	Instances map[string]*Instance   `json:"instances"`
	Tokens    map[string]token       `json:"tokens"`
	Keys      map[string]Credentials `json:"keys"`     // by access key
	Policies  map[string][]Policy    `json:"policies"` // by role
	Minted    int                    `json:"minted"`
}

func emptyState() state {
	return state{Volumes: map[string]*Volume{}, Instances: map[string]*Instance{}, Tokens: map[string]token{}, Keys: map[string]Credentials{}, Policies: map[string][]Policy{}}
}

package api

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"
)

// GrowthMode says what the scheduler may do when the pool runs full.
type GrowthMode string

// The modes. GrowthApprove is the default.
const (
	GrowthOff     GrowthMode = "off"
	GrowthDryRun  GrowthMode = "dry-run" // plans and says what it would buy
	GrowthApprove GrowthMode = "approve" // a person approves each expansion
	GrowthAuto    GrowthMode = "auto"    // within caps and a budget
)

// CloudView is what a node knows of the instance that it runs on. It is absent where there is no cloud.
type CloudView struct {
	Provider     string        `json:"provider"` // aws
	InstanceID   string        `json:"instanceId"`
	InstanceType string        `json:"instanceType"`
	Region       string        `json:"region"`
	Zone         string        `json:"zone"`
	Account      string        `json:"account,omitempty"`
	Verified     bool          `json:"verified"`         // the metadata service confirmed it lately; if not, Reason says why and the rest is the last verified
	Reason       string        `json:"reason,omitempty"` // CamelCase
	Message      string        `json:"message,omitempty"`
	SlotsMax     int           `json:"slotsMax,omitempty"` // volumes that the instance type takes; 0 = unknown
	SlotsUsed    int           `json:"slotsUsed,omitempty"`
	Attached     []string      `json:"attached,omitempty"` // volumes that SlotsUsed counts: the look at it may be half an hour old
	Notices      []CloudNotice `json:"notices,omitempty"`
}

// A CloudNotice is something that the cloud will do to the instance: a spot interruption, maintenance, retirement.
type CloudNotice struct {
	Kind string    `json:"kind"` // spot-interruption | rebalance | maintenance | target-lifecycle
	What string    `json:"what"` // terminate, stop, instance-reboot ...
	At   time.Time `json:"at,omitzero"`
}

// NodeGrowth is a node's part in expansions, and how it reaches the cloud.
type NodeGrowth struct {
	Orders              []VolumeOrder     `json:"orders,omitempty"`
	Tags                map[string]string `json:"tags,omitempty"`                // on every volume, beside those that identify it
	Endpoint            string            `json:"endpoint,omitempty"`            // of EC2; empty = the region's
	CredentialsFile     string            `json:"credentialsFile,omitempty"`     // on the node; empty = the instance's role
	CleanupFile         string            `json:"cleanupFile,omitempty"`         // on the node: credentials that may detach and delete; empty = what is abandoned is kept
	DeleteOnTermination bool              `json:"deleteOnTermination,omitempty"` // a volume that left the pool with its node ends with the instance; one in the pool never does
	Left                []string          `json:"left,omitempty"`                // volumes of this node that were in the pool: in a removal they may end with the instance, else they must outlive it again
	WatchSlots          bool              `json:"watchSlots,omitempty"`          // tell how many more volumes the instance takes
	Listing             string            `json:"listing,omitempty"`             // to the leader alone: list the cluster's volumes anew when this changes, beside every 10 minutes
}

// OrderTTL is how long after the scheduler's last word a node still begins to buy or attach for an order. A node that wasn't heard for longer than this, the time
// of a call and that of EC2's reads to show what was done, buys nothing more: its orders may be given to another.
const OrderTTL = time.Minute

// A VolumeOrder is one EBS volume that a node is to have: bought, attached, found, and offered as a disk. The scheduler stored it, attempt included,
// before the node hears of it.
type VolumeOrder struct {
	Expansion      string `json:"expansion"` // UUID
	Index          int    `json:"index"`     // among the expansion's volumes, on all nodes
	Attempt        int    `json:"attempt"`   // from 1; raised when the client token was burnt
	SizeGiB        int    `json:"sizeGib"`
	Type           string `json:"type"` // gp3 ...
	IOPS           int    `json:"iops,omitempty"`
	ThroughputMiBs int    `json:"throughputMiBs,omitempty"`
	Encrypted      bool   `json:"encrypted,omitempty"`
	KMSKey         string `json:"kmsKey,omitempty"`
	Zone           string `json:"zone"`
	VolumeID       string `json:"volumeId,omitempty"`  // as the ledger knows it: this one and no other
	Unwritten      bool   `json:"unwritten,omitempty"` // of one to abandon: nobody can have written on its volume, so it may be deleted where it is found detached
	Abandon        bool   `json:"abandon,omitempty"`   // given up before it was handed over: buy and attach nothing; delete what is there if that is allowed, else report it as kept
}

// Key names the order within the cluster. An abandoned order whose own node is gone may be given to another node, which then only deletes.
func (o VolumeOrder) Key() string { return fmt.Sprintf("%s/%d", o.Expansion, o.Index) }

// ClientToken makes EC2 create one volume for one attempt of one order, however often it is asked: at most 64 characters.
func (o VolumeOrder) ClientToken(cluster, node string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%d\n%d", cluster, o.Expansion, node, o.Index, o.Attempt))
	return hex.EncodeToString(sum[:])
}

// Tags that identify a volume as ours. IAM policies narrow by TagCluster.
const (
	TagCluster   = "scaleio-framework/cluster"   // cluster UUID
	TagNode      = "scaleio-framework/node"      // identity of the node that bought it
	TagExpansion = "scaleio-framework/expansion" // UUID
	TagOrder     = "scaleio-framework/order"     // index and attempt: "3.1"
)

// OrderStage of a volume order, in the order in which it goes through them.
type OrderStage string

// The stages. After OrderPresent the volume is a disk like any other, and goes Offered, Claimed, Prepared, Added, Adopted.
const (
	OrderWaiting  OrderStage = "waiting" // nothing was bought
	OrderCreating OrderStage = "creating"
	OrderCreated  OrderStage = "created" // available, not attached
	OrderAttached OrderStage = "attached"
	OrderPresent  OrderStage = "present" // found on the node: volume id and size are verified
	OrderFailed   OrderStage = "failed"  // not to be had; Reason says why, and nothing of it is left unless VolumeID is set
	OrderDeleted  OrderStage = "deleted" // abandoned, and gone
	OrderKept     OrderStage = "kept"    // abandoned, and there: a person or the cleanup role deletes it
)

// OrderState is how far a node is with an order.
type OrderState struct {
	Expansion string     `json:"expansion"`
	Index     int        `json:"index"`
	Attempt   int        `json:"attempt"`
	Stage     OrderStage `json:"stage"`
	VolumeID  string     `json:"volumeId,omitempty"` // set as soon as EC2 said it, and never taken back
	Disk      string     `json:"disk,omitempty"`     // identity of the disk that it became
	Burnt     bool       `json:"burnt,omitempty"`    // the client token can't be used again: a new attempt is needed
	Reason    string     `json:"reason,omitempty"`   // CamelCase
	Message   string     `json:"message,omitempty"`
	Retry     bool       `json:"retry,omitempty"` // the node tries again by itself
}

// OwnedVolume is a volume with the cluster's tag, as the leader's node lists them.
type OwnedVolume struct {
	VolumeID  string    `json:"volumeId"`
	Node      string    `json:"node"` // tag
	Expansion string    `json:"expansion"`
	Order     string    `json:"order"`
	State     string    `json:"state"`              // available, in-use ...
	Instance  string    `json:"instance,omitempty"` // attached to
	Zone      string    `json:"zone"`
	Type      string    `json:"type"`
	SizeGiB   int       `json:"sizeGib"`
	Created   time.Time `json:"created,omitzero"`

	IOPS           int `json:"iops,omitempty"` // as it has, chosen or not
	ThroughputMiBs int `json:"throughputMiBs,omitempty"`
}

// MaxOwnedVolumes that a listing may have: several times what a pool takes. A cluster with more is looked at by a person first.
const MaxOwnedVolumes = 2000

// OwnedVolumes of the cluster; absent = not looked, which is not the same as none.
type OwnedVolumes struct {
	Volumes []OwnedVolume `json:"volumes"`
	AgeMS   int64         `json:"ageMs"`
	Listing int64         `json:"listing,omitempty"` // tells one listing from the next
}

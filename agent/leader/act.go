package leader

import (
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// Kind of an Act.
type Kind string

// The kinds.
const (
	AddStandby     Kind = "add-standby-mdm"
	SwitchMode     Kind = "switch-cluster-mode"
	NameSystem     Kind = "name-system"
	HandOver       Kind = "hand-over-master"
	AddDomain      Kind = "add-protection-domain"
	AddPool        Kind = "add-storage-pool"
	SetZeroPadding Kind = "set-zero-padding"
	SetSpare       Kind = "set-spare-percentage"
	AddFaultSet    Kind = "add-fault-set"
	AddSDS         Kind = "add-sds"
	AddDevice      Kind = "add-device"
	RemoveSDS      Kind = "remove-sds"
	RemoveSDC      Kind = "remove-sdc"
	EnterService   Kind = "enter-maintenance"
	LeaveService   Kind = "leave-maintenance"
)

// An Act is one difference between what is wanted and what was seen, and the change that would remove it.
type Act struct {
	Kind      Kind
	Subject   string // the object's name
	Why       string // for people
	Permanent bool   // can't be changed later without removing and adding again
	Obstacle  string // reason why it isn't done: a person has to act
	Wait      string // reason why it isn't done yet: somebody else acts first
	Claim     *api.DiskRef

	MDM    scaleio.NewMDM
	Mode   scaleio.SwitchMode
	Pool   scaleio.NewPool
	SDS    scaleio.NewSDS
	Device scaleio.NewDevice
	ID     string
	Number int
	On     bool
	Fresh  time.Time // the act is allowed only before
}

func (a Act) key() string { return string(a.Kind) + " " + a.Subject }

// doable says whether nothing stands against it.
func (a Act) doable() bool { return a.Obstacle == "" && a.Wait == "" }

// A deferral keeps an act that failed for one SDS or device from holding up all others.
type deferral struct {
	until time.Time
	err   error
}

// A stop is a finding that ends a look early.
type stop struct{ finding step.Finding }

func (s *stop) Error() string { return s.finding.Reason + ": " + s.finding.Message }

func waitFor(reason, format string, a ...any) error { return &stop{step.Wait(reason, format, a...)} }

func blocked(reason, format string, a ...any) error { return &stop{step.Block(reason, format, a...)} }

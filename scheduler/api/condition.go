package api

import "time"

// Status of a Condition.
type Status string

// The three answers that a look can give.
const (
	True    Status = "True"
	False   Status = "False"
	Unknown Status = "Unknown"
)

// A Condition says whether one fact about a node holds. Type is a step's name or one of the Condition* constants.
type Condition struct {
	Type       string    `json:"type"`
	Status     Status    `json:"status"`
	Reason     string    `json:"reason"` // CamelCase, stable: machines may match it
	Message    string    `json:"message,omitempty"`
	Since      time.Time `json:"since"` // wall clock, for people only
	Generation int64     `json:"generation"`
}

// Conditions that are not steps.
const (
	ConditionUnsupportedSpec  = "UnsupportedSpec"
	ConditionIdentityConflict = "IdentityConflict"
	ConditionClockSkew        = "ClockSkew"
	ConditionHeld             = "Held"
	ConditionSchedulerAway    = "SchedulerAway"
	ConditionRebootNeeded     = "RebootNeeded"
	ConditionWaitingForSlot   = "WaitingForSlot"
	ConditionNotJoined        = "NotJoined"
	ConditionRolledBack       = "RolledBack" // a new agent didn't make the node Ready in time, and the one before took its place back

	ConditionInstanceUnverified = "InstanceUnverified" // the cloud doesn't confirm which instance the node is: nothing is bought for it
	ConditionInstanceNotice     = "InstanceNotice"     // the cloud announces that it will stop, reboot or take the instance
)

// Reasons that steps share.
const (
	ReasonSatisfied      = "Satisfied"
	ReasonNeeded         = "Needed"
	ReasonWaitingForStep = "WaitingForStep"
	ReasonWaitingForGate = "WaitingForGate"
	ReasonApplying       = "Applying"
	ReasonFailed         = "Failed"
	ReasonBlocked        = "Blocked"
	ReasonHeld           = "Held"
	ReasonRepairLimit    = "RepairLimit"
)

// A Gate is a fact about the cluster that, once true, was stored and never closes. It guards acts, not facts.
type Gate string

// The gates, in the order in which they open.
const (
	GateRolesDecided  Gate = "roles-decided"  // three MDM nodes chosen
	GateMDMsInstalled Gate = "mdms-installed" // every chosen MDM node reports run-mdm True
	GateClusterFormed Gate = "cluster-formed" // 3_node and Normal, system id stored
	GateGatewayReady  Gate = "gateway-ready"  // a gateway answers on every MDM manager
	GatePoolReady     Gate = "pool-ready"     // domain, pool, fault sets and the volume driver's user exist
)

// Gates lists all that this version knows.
var Gates = []Gate{GateRolesDecided, GateMDMsInstalled, GateClusterFormed, GateGatewayReady, GatePoolReady}

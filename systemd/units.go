package systemd

import _ "embed" // the shipped unit files

// Names of the units that we ship.
const (
	AgentUnit  = "scaleio-agent.service"
	RexrayUnit = "rexray.service"
)

// AgentUnitText is the file of AgentUnit.
//
//go:embed units/scaleio-agent.service
var AgentUnitText string

// RexrayUnitText is the file of RexrayUnit.
//
//go:embed units/rexray.service
var RexrayUnitText string

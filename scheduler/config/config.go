package config

import (
	"time"

	"scaleio-framework/scheduler/api"
)

// Config of a scheduler, parsed and checked.
type Config struct {
	MesosMasters    []string
	MesosPrincipal  string
	MesosSecretFile string
	MesosRole       string
	FrameworkName   string
	FailoverTimeout time.Duration

	Listen            string
	PublicURLs        []string
	StateDir          string
	OperatorTokenFile string
	ReadTokenFile     string

	ClusterName       string
	AcceptLicence     bool
	AdminPasswordFile string
	Manifest          string
	AgentURL          string
	AgentSHA256       string
	AgentsMatch       map[string]string

	FaultDomainAttribute string
	Settle               time.Duration
	ProtectionDomain     string
	StoragePool          string
	MediaType            string
	ZeroPadding          bool
	VolumeUser           string
	AllowUnsupported     bool
	Reboots              api.RebootPolicy
	ModuleMirror         string
	BuildModules         bool

	DisksUse        api.DiskUse
	DisksMatch      string
	DisksAllowTypes []string
	DisksMinSize    int64

	ReserveMDM  Resources
	ReserveData Resources

	LogFormat string
	LogLevel  string

	// Secrets that came by the environment, as Marathon gives them; a file wins.
	MesosSecret   api.Secret
	AdminPassword api.Secret
}

// Resources that a task reserves: what the daemons that it places will use, though they run outside its container.
type Resources struct {
	CPUs  float64
	MemMB float64
}

// EnvPrefix of every key's environment variable.
const EnvPrefix = "SCALEIO_SCHEDULER_"

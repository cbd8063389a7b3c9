package config

import (
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
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
	State             string // zk://...; "" = in StateDir
	ZKAuthFile        string
	ZKOpen            bool
	ZKSession         time.Duration
	StateKeyFile      string
	OperatorTokenFile string
	ReadTokenFile     string

	ClusterName       string
	AcceptLicence     bool
	AdminPasswordFile string
	Manifest          string
	AgentURL          string
	AgentSHA256       string
	AgentReadyWithin  time.Duration
	RolloutCalm       time.Duration
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
	RebootWindow         decide.Window // by the clocks of RebootZone
	RebootWithin         time.Duration
	ModuleMirror         string
	BuildModules         bool

	DisksUse        api.DiskUse
	DisksMatch      string
	DisksAllowTypes []string
	DisksMinSize    int64

	Growth Growth

	ReserveMDM  Resources
	ReserveData Resources

	LogFormat string
	LogLevel  string

	// Secrets that came by the environment, as Marathon gives them; a file wins.
	MesosSecret   api.Secret
	ZKAuth        api.Secret
	StateKey      api.Secret
	OperatorToken api.Secret
	ReadToken     api.Secret
	AdminPassword api.Secret
}

// Growth of the pool, as the operator wants it.
type Growth struct {
	Mode          string
	Threshold     int
	Takes         time.Duration
	Safety        float64
	Cooldown      time.Duration
	Patience      time.Duration
	MaxPerNode    int
	MaxPerCluster int
	MaxPerDay     int
	BudgetCents   int64
	PriceFile     string
	SpareSlots    int

	VolumeType          string
	VolumeSize          int64
	VolumeIOPS          int
	VolumeThroughput    int
	Encrypted           bool
	KMSKey              string
	Tags                map[string]string
	DeleteOnTermination bool

	Endpoint        string
	CredentialsFile string
	CleanupFile     string
}

// Resources that a task reserves: what the daemons that it places will use, though they run outside its container.
type Resources struct {
	CPUs  float64
	MemMB float64
}

// MaxKMSKey is how long the name of an encryption key may be: it is in the record of every volume that is ordered.
const MaxKMSKey = 200

// MaxTags in bytes of JSON: those of an expansion are in its record.
const MaxTags = 6_000

// EnvPrefix of every key's environment variable.
const EnvPrefix = "SCALEIO_SCHEDULER_"

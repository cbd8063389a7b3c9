package mdm

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"scaleio-framework/test/scaleio/wire"
)

// Options of one MDM. The zero value of a field means the product's own.
type Options struct {
	Root           string // prefix of all paths; "/" on a node
	Listen         string // address to listen on; all when empty
	ManagementPort int
	ClusterPort    int
	Heartbeat      time.Duration        // master to members
	Lease          time.Duration        // how long a member follows a silent master
	NoLease        func(ip string) bool // knows for sure that an MDM isn't master, so that no lease of its need be waited for; nil: nobody knows
	Watch          time.Duration        // pause between looks at an SDS
	WatchTimeout   time.Duration        // how long an SDS may take to answer one
	RebuildAfter   time.Duration        // how long a device may be lost before its data is made anew elsewhere
	RebalanceEvery time.Duration        // pause between moves that only even out how full devices are
	MinDeviceBytes int64
	SessionLength  time.Duration
	Log            *slog.Logger
}

func (o Options) withDefaults() Options {
	setDefault(&o.Root, "/")
	setDefault(&o.ManagementPort, wire.PortMDMManagement)
	setDefault(&o.ClusterPort, wire.PortMDMCluster)
	setDefault(&o.Heartbeat, 250*time.Millisecond)
	setDefault(&o.Lease, 2*time.Second)
	setDefault(&o.Watch, time.Second)
	setDefault(&o.WatchTimeout, time.Second)
	setDefault(&o.RebuildAfter, 30*time.Second) // a daemon that restarts is back by then
	setDefault(&o.RebalanceEvery, 2*time.Second)
	setDefault(&o.MinDeviceBytes, 100<<30)
	setDefault(&o.SessionLength, 10*time.Minute)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

const (
	confFile        = "opt/emc/scaleio/mdm/cfg/conf.txt"
	certificateFile = "opt/emc/scaleio/mdm/cfg/mdm_management_certificate.pem"
	keyFile         = "opt/emc/scaleio/mdm/cfg/mdm_management_key.pem"
	repositoryDir   = "opt/emc/scaleio/mdm/repository"
)

func (o Options) path(name string) string { return filepath.Join(o.Root, name) }

// conf is the package's configuration: "key=value" lines. Without the file, or the key, the package is a tie-breaker.
func (o Options) conf(key string) string {
	raw, err := os.ReadFile(o.path(confFile))
	if err != nil {
		return ""
	}
	value := ""
	for line := range strings.Lines(string(raw)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), "="); ok && strings.TrimSpace(k) == key {
			value = strings.TrimSpace(v)
		}
	}
	return value
}

func (o Options) isManager() bool { return o.conf("actor_role_is_manager") == "1" }

package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"scaleio-framework/scheduler/api"
)

// kmsForm of what names a key of KMS: id, alias or ARN.
var kmsForm = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9:/_-]{0,%d}$`, MaxKMSKey))

// A Fault is what is wrong with one key, and where its value came from.
type Fault struct {
	Key    string
	Source string
	Err    error
}

func (f *Fault) Error() string { return fmt.Sprintf("%s (%s): %v", f.Key, f.Source, f.Err) }
func (f *Fault) Unwrap() error { return f.Err }

// RegisterFlags adds a flag for every key.
func RegisterFlags(flags *pflag.FlagSet) {
	for _, k := range keys(&Config{}) {
		if !k.envOnly {
			flags.String(k.name, "", k.help+defaultText(k))
		}
	}
}

func defaultText(k key) string {
	if k.fallback == "" {
		return ""
	}
	return " Default " + k.fallback + "."
}

// Env is the name of a key's environment variable.
func Env(name string) string { return EnvPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_")) }

// Names behind EnvPrefix that the commands read which call a running scheduler.
const (
	EnvURL       = EnvPrefix + "URL"
	EnvCAFile    = EnvPrefix + "CA_FILE"
	EnvTokenFile = EnvPrefix + "TOKEN_FILE"
)

// Load reads file (may be ""), environment (as os.Environ gives it) and changed flags, and reports every fault at once.
func Load(file string, flags *pflag.FlagSet, environ []string) (Config, error) {
	variables := map[string]string{}
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok {
			variables[name] = value
		}
	}
	env := func(name string) (string, bool) { v, ok := variables[name]; return v, ok }
	faults := unknown(variables)
	values, err := readFile(file)
	if err != nil {
		faults = append(faults, err)
	}
	var c Config
	known := map[string]bool{}
	for _, k := range keys(&c) {
		known[k.name] = true
		value, source := k.fallback, "default"
		if v, ok := values[k.name]; ok {
			value, source = v, file
			if k.envOnly {
				faults = append(faults, &Fault{k.name, source, errors.New("a secret doesn't belong in the file: name a file that holds it")})
				continue
			}
		}
		if v, ok := env(Env(k.name)); ok {
			value, source = v, Env(k.name)
		}
		if f := flags.Lookup(k.name); f != nil && f.Changed {
			value, source = f.Value.String(), "--"+k.name
		}
		if err := k.set(value); err != nil {
			faults = append(faults, &Fault{k.name, source, err})
		}
	}
	for name := range values {
		if !known[name] {
			faults = append(faults, &Fault{name, file, errors.New("no such key")})
		}
	}
	c.fill(env)
	faults = append(faults, c.check()...)
	return c, errors.Join(faults...)
}

// unknown variables with our prefix: a misspelt one would be a setting silently lost. Their values aren't shown, they may be secrets.
func unknown(variables map[string]string) (faults []error) {
	known := map[string]bool{EnvURL: true, EnvCAFile: true, EnvTokenFile: true}
	for _, k := range keys(&Config{}) {
		known[Env(k.name)] = true
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if strings.HasPrefix(name, EnvPrefix) && !known[name] {
			faults = append(faults, &Fault{name, "environment", errors.New("no such variable")})
		}
	}
	return faults
}

// readFile gives the file's values as texts; a list is the same as its parts with commas.
func readFile(file string) (map[string]string, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	var nodes map[string]yaml.Node
	if err := yaml.Unmarshal(raw, &nodes); err != nil {
		return nil, fmt.Errorf("reading the configuration %s: %w", file, err)
	}
	values := map[string]string{}
	for name, node := range nodes {
		switch node.Kind {
		case yaml.ScalarNode:
			values[name] = node.Value
		case yaml.SequenceNode:
			var parts []string
			for _, item := range node.Content {
				parts = append(parts, item.Value)
			}
			values[name] = strings.Join(parts, ",")
		default:
			return nil, fmt.Errorf("reading the configuration %s: %s: neither a value nor a list", file, name)
		}
	}
	return values, nil
}

// fill in what Marathon's environment says.
func (c *Config) fill(env func(string) (string, bool)) {
	port, _ := env("PORT0")
	host, _ := env("HOST")
	if c.Listen == "" {
		c.Listen = ":9443"
		if port != "" {
			c.Listen = ":" + port
		}
	}
	if len(c.PublicURLs) == 0 && host != "" && port != "" {
		c.PublicURLs = []string{"https://" + host + ":" + port}
	}
}

// check what only shows when all is read.
func (c *Config) check() (faults []error) {
	missing := func(name string, is bool, what string) {
		if is {
			faults = append(faults, &Fault{name, "not set", errors.New(what)})
		}
	}
	missing("mesos-masters", len(c.MesosMasters) == 0, "which Mesos to place agents on isn't known")
	missing("public-urls", len(c.PublicURLs) == 0, "agents wouldn't know where to report; Marathon's $HOST and $PORT0 would do")
	missing("admin-password-file", c.AdminPasswordFile == "" && c.AdminPassword.Empty(), "ScaleIO's default password is changed at once, so one is needed: a file, or "+Env("admin-password"))
	missing("manifest", c.Manifest == "", "ScaleIO's packages aren't public; say where yours are")
	missing("agent-url", c.AgentURL == "", "Mesos agents have to fetch scaleio-agent from somewhere")
	missing("agent-sha256", c.AgentSHA256 == "", "scaleio-agent runs as root and only with the right digest")
	missing("disks-match", c.DisksUse == api.DiskUseMatch && c.DisksMatch == "", "disks-use match needs a glob")
	g := c.Growth
	missing("growth-budget", g.Mode == "auto" && g.BudgetCents == 0, "growth auto buys without asking: it needs a limit in dollars per month")
	missing("growth-volume-iops", (g.VolumeType == "io1" || g.VolumeType == "io2") && g.VolumeIOPS == 0, g.VolumeType+" volumes need a number of IOPS")
	missing("growth-volume-encrypted", g.KMSKey != "" && !g.Encrypted, "a KMS key for volumes that aren't encrypted")
	wrong := func(name string, is bool, what string) {
		if is {
			faults = append(faults, &Fault{name, "set", errors.New(what)})
		}
	}
	wrong("growth-kms-key", !kmsForm.MatchString(g.KMSKey), fmt.Sprintf("an id, an alias or an ARN of at most %d characters names a key", MaxKMSKey))
	wrong("growth-volume-iops", g.VolumeIOPS > 0 && g.VolumeType != "gp3" && g.VolumeType != "io1" && g.VolumeType != "io2", g.VolumeType+" volumes take no number of IOPS")
	wrong("growth-volume-throughput", g.VolumeThroughput > 0 && g.VolumeType != "gp3", g.VolumeType+" volumes take no throughput")
	wrong("growth-volume-size", g.VolumeSize > 0 && (g.VolumeSize%(1<<30) != 0 || g.VolumeSize > 64<<40), "EBS volumes are whole GB, up to 64 TB")
	wrong("growth-volume-size", g.VolumeSize > 0 && g.VolumeSize < c.DisksMinSize, "nodes would refuse the volumes: disks-min-size is larger")
	faults = append(faults, c.checkState()...)
	missing("mesos-principal", c.MesosPrincipal == "" && (c.MesosSecretFile != "" || !c.MesosSecret.Empty()), "a secret without a principal")
	return faults
}

// checkState: what lies in ZooKeeper is seen by many, and what lies in the state directory isn't on the next host.
func (c *Config) checkState() (faults []error) {
	if c.State == "" {
		return nil
	}
	missing := func(name string, is bool, what string) {
		if is {
			faults = append(faults, &Fault{name, "not set", errors.New(what)})
		}
	}
	protected := c.ZKAuthFile != "" || !c.ZKAuth.Empty()
	missing("zk-auth-file", !protected && !c.ZKOpen, "anybody who reaches ZooKeeper could change the state: give user:password, or say zk-open: true")
	missing("state-key-file", c.StateKeyFile == "" && c.StateKey.Empty(), "the CA's key may be in ZooKeeper only encrypted: openssl rand -hex 32")
	missing("operator-token-file", c.OperatorTokenFile == "" && c.OperatorToken.Empty(), "with state in ZooKeeper the scheduler moves between hosts, and the token has to be the same on each")
	missing("read-token-file", c.ReadTokenFile == "" && c.ReadToken.Empty(), "with state in ZooKeeper the scheduler moves between hosts, and the token has to be the same on each")
	if protected && c.ZKOpen {
		faults = append(faults, &Fault{"zk-open", "set", errors.New("open to everybody, and user:password as well: say one of them")})
	}
	if c.ZKSession < 2*time.Second || c.ZKSession > 2*time.Minute {
		faults = append(faults, &Fault{"zk-session", "set", errors.New("between 2s and 2m")})
	}
	return faults
}

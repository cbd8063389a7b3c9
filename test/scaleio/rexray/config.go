package rexray

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Config is /etc/rexray/config.yml as far as the ScaleIO driver needs it.
type Config struct {
	Endpoint  string // with /api
	Insecure  bool
	User      string
	password  string
	System    idOrName
	Domain    idOrName
	Pool      idOrName
	Type      string // ThinProvisioned | ThickProvisioned
	GUID      string // overrides what drv_cfg says
	DrvCfg    string
	Modules   []Module
	Preempt   bool
	NoRemove  bool
	DefaultGB int64
	FSType    string
	Unknown   []string // keys of the scaleio section that the driver ignores, silently in the product
}

// Module is one Docker volume plugin.
type Module struct {
	Name            string
	Host            string // unix:///run/docker/plugins/NAME.sock
	IgnoreUsedCount bool
}

type idOrName struct{ ID, Name string }

func (n idOrName) String() string { return n.ID + n.Name }

// matches prefers the id, as the product does.
func (n idOrName) matches(id, name string) bool {
	if n.ID != "" {
		return n.ID == id
	}
	return n.Name == name
}

// tree is the file with its keys in lower case: the product's reader doesn't tell cases apart.
type tree map[string]any

func lower(value any) any {
	m, ok := value.(map[string]any)
	if !ok {
		return value
	}
	t := tree{}
	for k, v := range m {
		t[strings.ToLower(k)] = lower(v)
	}
	return t
}

func (t tree) at(path string) any {
	var value any = t
	for _, key := range strings.Split(strings.ToLower(path), ".") {
		sub, ok := value.(tree)
		if !ok {
			return nil
		}
		value = sub[key]
	}
	return value
}

// reader collects the faults of one configuration.
type reader struct {
	root   tree
	getenv func(string) string
	faults []error
}

// text reads a scalar; the environment wins (SCALEIO_ENDPOINT for scaleio.endpoint).
func (r *reader) text(path, fallback string) string {
	if v := r.getenv(strings.ToUpper(strings.ReplaceAll(path, ".", "_"))); v != "" {
		return v
	}
	switch v := r.root.at(path).(type) {
	case nil:
		return fallback
	case tree, []any:
		r.faults = append(r.faults, fmt.Errorf("%s: want one value", path))
		return fallback
	default:
		return fmt.Sprint(v)
	}
}

func (r *reader) flag(path string, fallback bool) bool {
	v, err := strconv.ParseBool(r.text(path, strconv.FormatBool(fallback)))
	if err != nil {
		r.faults = append(r.faults, fmt.Errorf("%s: want true or false", path))
	}
	return v
}

func (r *reader) need(what, value string) {
	if value == "" {
		r.faults = append(r.faults, fmt.Errorf("%s: missing", what))
	}
}

func (r *reader) oneOf(path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		r.faults = append(r.faults, fmt.Errorf("%s: %q is none of %s", path, value, strings.Join(allowed, ", ")))
	}
}

var scaleioKeys = []string{
	"endpoint", "insecure", "usecerts", "username", "userid", "password", "systemid", "systemname", "protectiondomainid",
	"protectiondomainname", "storagepoolid", "storagepoolname", "thinorthick", "version", "guid", "drvcfg",
}

// ReadConfig refuses what the driver couldn't work with, all faults at once.
func ReadConfig(path string, getenv func(string) string) (Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("reading configuration: %w", err)
	}
	raw := map[string]any{}
	if err := yaml.Unmarshal(data, &raw); err != nil {
		return Config{}, fmt.Errorf("reading configuration %s: %w", path, err)
	}
	r := &reader{root: lower(raw).(tree), getenv: getenv}
	c := r.config()
	if err := errors.Join(r.faults...); err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

func (r *reader) config() Config {
	const operations = "libstorage.integration.volume.operations."
	c := Config{
		Endpoint: r.text("scaleio.endpoint", ""),
		Insecure: r.flag("scaleio.insecure", false),
		User:     r.text("scaleio.userName", r.text("scaleio.userID", "")),
		password: r.text("scaleio.password", ""),
		System:   idOrName{r.text("scaleio.systemID", ""), r.text("scaleio.systemName", "")},
		Domain:   idOrName{r.text("scaleio.protectionDomainID", ""), r.text("scaleio.protectionDomainName", "")},
		Pool:     idOrName{r.text("scaleio.storagePoolID", ""), r.text("scaleio.storagePoolName", "")},
		Type:     r.text("scaleio.thinOrThick", "ThinProvisioned"),
		GUID:     r.text("scaleio.guid", ""),
		DrvCfg:   r.text("scaleio.drvCfg", "/opt/emc/scaleio/sdc/bin/drv_cfg"),
		Preempt:  r.flag(operations+"mount.preempt", false),
		NoRemove: r.flag(operations+"remove.disable", false),
		FSType:   r.text(operations+"create.default.fsType", "ext4"),
	}
	r.need("scaleio.endpoint", c.Endpoint)
	r.need("scaleio.userName", c.User)
	r.need("scaleio.password", c.password)
	r.need("scaleio.systemID or scaleio.systemName", c.System.String())
	r.need("scaleio.protectionDomainID or scaleio.protectionDomainName", c.Domain.String())
	r.need("scaleio.storagePoolID or scaleio.storagePoolName", c.Pool.String())
	r.oneOf("scaleio.thinOrThick", c.Type, "ThinProvisioned", "ThickProvisioned")
	r.oneOf(operations+"create.default.fsType", c.FSType, "ext4", "xfs")
	if u, err := url.Parse(c.Endpoint); c.Endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		r.faults = append(r.faults, fmt.Errorf("scaleio.endpoint: %q is no URL of a gateway", c.Endpoint))
	}
	var err error
	if c.DefaultGB, err = strconv.ParseInt(r.text(operations+"create.default.size", "16"), 10, 64); err != nil || c.DefaultGB < 1 {
		r.faults = append(r.faults, fmt.Errorf("%screate.default.size: want a number of GB", operations))
	}
	service := r.text("libstorage.service", "")
	r.need("libstorage.service", service)
	if service != "" {
		path := "libstorage.server.services." + service + ".driver"
		r.oneOf(path, r.text(path, ""), "scaleio")
	}
	if section, ok := r.root.at("scaleio").(tree); ok {
		for _, key := range slices.Sorted(maps.Keys(section)) {
			if !slices.Contains(scaleioKeys, key) {
				c.Unknown = append(c.Unknown, "scaleio."+key)
			}
		}
	}
	c.Modules = r.modules(r.flag(operations+"unmount.ignoreUsedCount", false))
	return c
}

func (r *reader) modules(ignoreUsedCount bool) []Module {
	section, _ := r.root.at("rexray.modules").(tree)
	if len(section) == 0 {
		return []Module{{"default-docker", "unix:///run/docker/plugins/rexray.sock", ignoreUsedCount}}
	}
	var modules []Module
	for _, name := range slices.Sorted(maps.Keys(section)) {
		at := "rexray.modules." + name
		m := Module{Name: name, Host: r.text(at+".host", ""), IgnoreUsedCount: ignoreUsedCount}
		m.IgnoreUsedCount = r.flag(at+".libstorage.integration.volume.operations.unmount.ignoreUsedCount", ignoreUsedCount)
		r.oneOf(at+".type", r.text(at+".type", "docker"), "docker")
		if socket, ok := strings.CutPrefix(m.Host, "unix://"); !ok || !strings.HasPrefix(socket, "/") {
			r.faults = append(r.faults, fmt.Errorf("%s.host: %q is no unix:///path", at, m.Host))
		}
		modules = append(modules, m)
	}
	return modules
}

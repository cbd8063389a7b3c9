package agent

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"

	"go.yaml.in/yaml/v3"
)

// Config is /etc/scaleio-agent/agent.yaml: written by `place`, or by Ignition where no Mesos task comes first.
type Config struct {
	Cluster string   `yaml:"cluster"` // UUID; empty until placed
	Servers []string `yaml:"servers"` // https URLs of the scheduler, in order
}

// ParseConfig reads it and reports all faults at once. Unknown keys are faults: a misspelt one would be a setting silently lost.
func ParseConfig(data []byte) (Config, error) {
	var c Config
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil {
		return c, fmt.Errorf("reading %s: %w", ConfigFile, err)
	}
	var faults []error
	if c.Cluster == "" {
		faults = append(faults, fmt.Errorf("%s: cluster: missing: the UUID that `scaleio-scheduler status` shows", ConfigFile))
	}
	if len(c.Servers) == 0 {
		faults = append(faults, fmt.Errorf("%s: servers: missing: at least one https URL of the scheduler", ConfigFile))
	}
	for _, s := range c.Servers {
		if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Host == "" {
			faults = append(faults, fmt.Errorf("%s: servers: %q is not an https URL", ConfigFile, s))
		}
	}
	return c, errors.Join(faults...)
}

// Marshal writes it.
func (c Config) Marshal() ([]byte, error) { return yaml.Marshal(c) }

package agent

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"

	"go.yaml.in/yaml/v3"

	"scaleio-framework/installer"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// Config is /etc/scaleio-agent/agent.yaml: written by `place`, or by Ignition where no Mesos task comes first. All of it may be missing: the agent
// then waits for `place`.
type Config struct {
	Cluster string     // UUID; empty until placed
	Servers []string   // https URLs of the scheduler, in order
	CA      string     // the cluster's, PEM; empty = in CAFile
	CAFile  string     // empty = ca.pem beside, where `place` puts it
	Token   api.Secret // an enrolment token; a Mesos task's is a file of its own

	MetadataEndpoint string // URL of the instance metadata service; empty = EC2's own address, and only on EC2
	EBSModel         string // what an EBS volume calls itself as a disk; empty = as EC2 presents it
}

// written is how it is written.
type written struct {
	Servers []string `yaml:"servers"`
	Cluster string   `yaml:"cluster"`
	CA      string   `yaml:"ca,omitempty"`
	CAFile  string   `yaml:"caFile,omitempty"`
	Token   string   `yaml:"token,omitempty"`

	MetadataEndpoint string `yaml:"metadataEndpoint,omitempty"`
	EBSModel         string `yaml:"ebsModel,omitempty"`
}

// ParseConfig reads it and reports all faults at once. Unknown keys are faults: a misspelt one would be a setting silently lost.
func ParseConfig(data []byte) (Config, error) {
	var w written
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&w); err != nil && !errors.Is(err, io.EOF) {
		return Config{}, fmt.Errorf("reading %s: %w", ConfigFile, err)
	}
	c := Config{Cluster: w.Cluster, Servers: w.Servers, CA: w.CA, CAFile: w.CAFile, Token: api.NewSecret(w.Token), MetadataEndpoint: w.MetadataEndpoint, EBSModel: w.EBSModel}
	var faults []error
	fault := func(is bool, format string, a ...any) {
		if is {
			faults = append(faults, fmt.Errorf(ConfigFile+": "+format, a...))
		}
	}
	for _, s := range c.Servers {
		u, err := url.Parse(s)
		fault(err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil, "servers: %q is not an https URL of the kind https://HOST:PORT", s)
	}
	fault(c.CA != "" && c.CAFile != "", "ca, caFile: one of them is enough")
	fault(c.CAFile != "" && !path.IsAbs(c.CAFile), "caFile: %q is no absolute path", c.CAFile)
	if c.CA != "" {
		_, err := c.authority([]byte(c.CA))
		fault(err != nil, "ca: %v", err)
	}
	fault(!isEndpoint(c.MetadataEndpoint), "metadataEndpoint: %q is not a URL of the kind http://HOST", c.MetadataEndpoint)
	begun := c.Cluster != "" || len(c.Servers) > 0 || c.CA != "" || c.CAFile != "" || w.Token != ""
	fault(begun && c.Cluster == "", "cluster: missing: the UUID that `scaleio-scheduler status` shows")
	fault(begun && len(c.Servers) == 0, "servers: missing: at least one https URL of the scheduler")
	return c, errors.Join(faults...)
}

// empty: nothing is said yet.
func (c Config) empty() bool { return c.Cluster == "" }

// authority takes the cluster's CA from PEM: two while it is being rotated. A scheduler's CA names its cluster: one of another is refused.
func (c Config) authority(data []byte) (all []*x509.Certificate, err error) {
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if len(cert.URIs) == 1 && cert.URIs[0].Scheme == "scaleio" && cert.URIs[0].Host != c.Cluster {
			return nil, fmt.Errorf("it is the CA of cluster %s, not of %s", cert.URIs[0].Host, c.Cluster)
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		return nil, errors.New("no certificate in it")
	}
	return all, nil
}

// authorities are the cluster's CA wherever it lies.
func (c Config) authorities(files installer.Files) ([]*x509.Certificate, error) {
	if c.CA != "" {
		return c.authority([]byte(c.CA))
	}
	file := c.CAFile
	if file == "" {
		file = CAFile
	}
	data, err := files.Read(file)
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's CA: %w", err)
	}
	all, err := c.authority(data)
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's CA %s: %w", file, err)
	}
	return all, nil
}

// EnvMetadataEndpoint stands above the file's metadataEndpoint.
const EnvMetadataEndpoint = "SCALEIO_AGENT_METADATA_ENDPOINT"

// MetadataEndpoint as configured; "" = EC2's own. A file that can't be read is for joining to complain of.
func MetadataEndpoint(files installer.Files, env func(string) string) (string, error) {
	if endpoint := env(EnvMetadataEndpoint); endpoint != "" {
		if !isEndpoint(endpoint) {
			return "", fmt.Errorf("%s: %q is not a URL of the kind http://HOST", EnvMetadataEndpoint, endpoint)
		}
		return endpoint, nil
	}
	c, _ := configured(files)
	return c.MetadataEndpoint, nil
}

// EBSModel as configured; "" = as EC2 presents it. Clouds that speak EC2's language show volumes as other disks; by the model they are told from instance store.
func EBSModel(files installer.Files) string {
	c, _ := configured(files)
	return c.EBSModel
}

func isEndpoint(text string) bool {
	u, err := url.Parse(text)
	return text == "" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && (u.Path == "" || u.Path == "/")
}

// configured reads the file; one that isn't there says nothing, as an empty one does.
func configured(files installer.Files) (Config, error) {
	data, err := files.Read(ConfigFile)
	if errors.Is(err, platform.ErrNotFound) {
		return Config{}, nil
	}
	if err != nil {
		return Config{}, err
	}
	return ParseConfig(data)
}

// loadConfig reads it to join by it: a token in it must be nobody else's to read.
func loadConfig(files installer.Files) (Config, error) {
	c, err := configured(files)
	if err != nil || c.Token.Empty() {
		return c, err
	}
	mode, _, err := files.Stat(ConfigFile)
	if err == nil && mode.Perm()&0o077 != 0 {
		err = fmt.Errorf("%s holds a token and may be read by others (%v): chmod 600", ConfigFile, mode.Perm())
	}
	return c, err
}

// Marshal writes it.
func (c Config) Marshal() ([]byte, error) {
	return yaml.Marshal(written{c.Servers, c.Cluster, c.CA, c.CAFile, c.Token.Reveal(), c.MetadataEndpoint, c.EBSModel})
}

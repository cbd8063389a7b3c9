package installer

import (
	"bytes"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"scaleio-framework/scheduler/api"
)

// Files of REX-Ray.
const (
	rexrayDir    = "/etc/rexray"
	rexrayConfig = rexrayDir + "/config.yml"
	rexrayEnv    = rexrayDir + "/rexray.env"
	rexrayRoots  = rexrayDir + "/gateways.pem"
	pluginDir    = "/run/docker/plugins"
)

// rexrayMark is the first line of a configuration that is ours. One without it is a person's and stays.
const rexrayMark = "# Written by scaleio-agent; changes are undone.\n"

// pluginModules are REX-Ray's Docker endpoints; each module's socket makes a volume driver of that name: the engine's default, Mesos', and a general one.
var pluginModules = []struct{ module, socket string }{
	{"default-docker", pluginDir + "/docker.sock"},
	{"mesos", pluginDir + "/mesos.sock"},
	{"rexray", pluginDir + "/rexray.sock"},
}

// mapping is YAML's; keys come out in order.
type mapping = map[string]any

// renderREXRay writes the whole configuration. The system is named by its id: one that was never renamed has no name, and the driver fails on an empty one.
func renderREXRay(v api.VolumeDriver, gateway string, password api.Secret, drvCfgPath string) ([]byte, error) {
	modules := mapping{}
	for _, m := range pluginModules {
		libstorage := mapping{"service": "scaleio"}
		if m.module == "mesos" { // the isolator's calls aren't counted, so a count must not keep a volume mounted
			libstorage["integration"] = mapping{"volume": mapping{"operations": mapping{"unmount": mapping{"ignoreUsedCount": true}}}}
		}
		modules[m.module] = mapping{"type": "docker", "host": "unix://" + m.socket, "libstorage": libstorage}
	}
	config := mapping{
		"rexray": mapping{"logLevel": "warn", "modules": modules},
		"libstorage": mapping{
			"service": "scaleio",
			"server":  mapping{"services": mapping{"scaleio": mapping{"driver": "scaleio"}}},
			"integration": mapping{"volume": mapping{"operations": mapping{
				"mount":  mapping{"preempt": true}, // detaches from a dead host first: a volume follows its container
				"remove": mapping{"disable": false},
				"create": mapping{"default": mapping{"size": 16, "fsType": "xfs"}},
			}}},
		},
		"scaleio": mapping{
			"endpoint": "https://" + gateway + "/api", "insecure": false, "useCerts": false,
			"userName": v.User, "password": password.Reveal(),
			"systemID": v.SystemID, "protectionDomainName": v.ProtectionDomain, "storagePoolName": v.StoragePool,
			"thinOrThick": "ThinProvisioned", "drvCfg": drvCfgPath,
		},
	}
	var out bytes.Buffer
	out.WriteString(rexrayMark)
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(config); err != nil {
		return nil, fmt.Errorf("writing REX-Ray's configuration: %w", err)
	}
	return out.Bytes(), nil
}

// parseREXRay finds the gateway and password in a configuration of ours.
func parseREXRay(data []byte) (gateway string, password api.Secret, err error) {
	var config struct {
		ScaleIO struct{ Endpoint, Password string } `yaml:"scaleio"`
	}
	if err := yaml.Unmarshal(data, &config); err != nil {
		return "", api.Secret{}, fmt.Errorf("reading %s: not YAML", rexrayConfig) // the parser's own words may show the password
	}
	gateway = strings.TrimSuffix(strings.TrimPrefix(config.ScaleIO.Endpoint, "https://"), "/api")
	return gateway, api.NewSecret(config.ScaleIO.Password), nil
}

// rexrayEnvironment makes the driver, a Go program, trust the gateways' own certificates and no authority.
func rexrayEnvironment() []byte {
	return []byte("SSL_CERT_FILE=" + rexrayRoots + "\nSSL_CERT_DIR=/nonexistent\nDOCKER_LEGACY=true\n")
}

// pinned are the certificates of all gateways: the driver may be led to any of them.
func pinned(gateways []api.Gateway) []byte {
	var out bytes.Buffer
	for _, g := range gateways {
		if pem := strings.TrimSpace(g.CertificatePEM); pem != "" {
			out.WriteString(pem + "\n")
		}
	}
	return out.Bytes()
}

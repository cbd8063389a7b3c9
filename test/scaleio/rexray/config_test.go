package rexray

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// complete is the documented configuration for one pool and three Docker endpoints.
const complete = `rexray:
  logLevel: warn
  modules:
    default-docker:
      type: docker
      host: unix:///run/docker/plugins/docker.sock
      libstorage: {service: scaleio}
    mesos:
      type: docker
      host: unix:///run/docker/plugins/mesos.sock
      libstorage:
        service: scaleio
        integration: {volume: {operations: {unmount: {ignoreUsedCount: true}}}}
    rexray:
      type: docker
      host: unix:///run/docker/plugins/rexray.sock
      libstorage: {service: scaleio}
libstorage:
  service: scaleio
  server:
    services:
      scaleio:
        driver: scaleio
  integration:
    volume:
      operations:
        mount: {preempt: true}
        remove: {disable: false}
        create: {default: {size: 16, fsType: xfs}}
scaleio:
  endpoint: https://GATEWAY/api
  insecure: true
  useCerts: false
  userName: admin
  password: "s3cret"
  systemID: 7366e3583838ca64
  protectionDomainName: pd1
  storagePoolName: sp1
  thinOrThick: ThinProvisioned
  drvCfg: /opt/emc/scaleio/sdc/bin/drv_cfg
`

func parse(t *testing.T, text string, env map[string]string) (Config, error) {
	path := filepath.Join(t.TempDir(), "config.yml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return ReadConfig(path, func(k string) string { return env[k] })
}

func TestReadConfig_documented(t *testing.T) {
	c, err := parse(t, complete, nil)
	require.NoError(t, err)
	assert.Equal(t, Config{
		Endpoint: "https://GATEWAY/api", Insecure: true, User: "admin", password: "s3cret",
		System: idOrName{ID: "7366e3583838ca64"}, Domain: idOrName{Name: "pd1"}, Pool: idOrName{Name: "sp1"},
		Type: "ThinProvisioned", DrvCfg: "/opt/emc/scaleio/sdc/bin/drv_cfg", Preempt: true, DefaultGB: 16, FSType: "xfs",
		Modules: []Module{
			{"default-docker", "unix:///run/docker/plugins/docker.sock", false},
			{"mesos", "unix:///run/docker/plugins/mesos.sock", true},
			{"rexray", "unix:///run/docker/plugins/rexray.sock", false},
		},
	}, c)
	fromEnv, err := parse(t, complete, map[string]string{"SCALEIO_PASSWORD": "other"})
	require.NoError(t, err)
	assert.Equal(t, "other", fromEnv.password)
}

func TestReadConfig_faults(t *testing.T) {
	for name, tc := range map[string]struct{ old, replacement, want string }{
		"no endpoint":    {"endpoint: https://GATEWAY/api", "", "scaleio.endpoint: missing"},
		"bad endpoint":   {"https://GATEWAY/api", "GATEWAY", "is no URL"},
		"no system":      {"systemID: 7366e3583838ca64", "", "scaleio.systemID or scaleio.systemName: missing"},
		"no pool":        {"storagePoolName: sp1", "", "scaleio.storagePoolID"},
		"no password":    {`password: "s3cret"`, "", "scaleio.password: missing"},
		"thin or thick":  {"ThinProvisioned", "Thin", "scaleio.thinOrThick"},
		"file system":    {"fsType: xfs", "fsType: zfs", "fsType"},
		"module's host":  {"unix:///run/docker/plugins/mesos.sock", "tcp://0.0.0.0:1", "rexray.modules.mesos.host"},
		"service":        {"driver: scaleio", "driver: ebs", "libstorage.server.services.scaleio.driver"},
		"repeated key":   {"scaleio:\n  endpoint", "rexray: {}\nscaleio:\n  endpoint", "already defined"},
		"no boolean":     {"insecure: true", "insecure: perhaps", "scaleio.insecure"},
		"size no number": {"size: 16", "size: big", "size"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, complete, tc.old)
			_, err := parse(t, strings.Replace(complete, tc.old, tc.replacement, 1), nil)
			require.ErrorContains(t, err, tc.want)
		})
	}
	c, err := parse(t, complete+"  apiVersion: \"2.0\"\n", nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"scaleio.apiversion"}, c.Unknown, "the product ignores what it doesn't know")
}

package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/config"
)

const good = `
mesos-masters: [http://m1:5050, http://m2:5050]
public-urls: https://s:9443/
admin-password-file: /run/secret
manifest: manifest.json
agent-url: http://mirror/scaleio-agent
agent-sha256: ` + "'0000000000000000000000000000000000000000000000000000000000000000'" + `
accept-license: true
disks-use: all-empty
`

func load(t *testing.T, yaml string, env map[string]string, args ...string) (config.Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "scheduler.yaml")
	require.NoError(t, os.WriteFile(file, []byte(yaml), 0o600))
	flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
	config.RegisterFlags(flags)
	require.NoError(t, flags.Parse(args))
	return config.Load(file, flags, environ(env))
}

func environ(env map[string]string) (all []string) {
	for name, value := range env {
		all = append(all, name+"="+value)
	}
	return all
}

func TestLoad(t *testing.T) {
	c, err := load(t, good, nil)
	require.NoError(t, err)
	assert.Equal(t, []string{"http://m1:5050", "http://m2:5050"}, c.MesosMasters)
	assert.Equal(t, []string{"https://s:9443"}, c.PublicURLs)
	assert.Equal(t, ":9443", c.Listen)
	assert.Equal(t, 4*7*24*time.Hour, c.FailoverTimeout)
	assert.EqualValues(t, 100<<30, c.DisksMinSize)
	assert.Equal(t, api.DiskUseAllEmpty, c.DisksUse)
	assert.Equal(t, config.Resources{CPUs: 0.5, MemMB: 1024}, c.ReserveData)
	assert.True(t, c.AcceptLicence)
}

func TestLoad_flagBeatsEnvironmentBeatsFile(t *testing.T) {
	env := map[string]string{"SCALEIO_SCHEDULER_STORAGE_POOL": "from-env", "SCALEIO_SCHEDULER_DISKS_USE": "none", "PORT0": "31000"}
	c, err := load(t, good+"storage-pool: from-file\n", env, "--storage-pool", "from-flag")
	require.NoError(t, err)
	assert.Equal(t, "from-flag", c.StoragePool)
	assert.Equal(t, api.DiskUseNone, c.DisksUse)
	assert.Equal(t, ":31000", c.Listen)
}

func TestLoad_takesMarathonsEnvironmentAlone(t *testing.T) {
	env := map[string]string{
		"HOST": "h1", "PORT0": "31001", "SCALEIO_SCHEDULER_MESOS_MASTERS": "http://m:5050", "SCALEIO_SCHEDULER_MANIFEST": "manifest.json",
		"SCALEIO_SCHEDULER_ADMIN_PASSWORD": "pw", "SCALEIO_SCHEDULER_AGENT_URL": "http://x/a", "SCALEIO_SCHEDULER_MESOS_PRINCIPAL": "scaleio",
		"SCALEIO_SCHEDULER_AGENT_SHA256": strings.Repeat("a", 64), "SCALEIO_SCHEDULER_MESOS_SECRET": "ms",
	}
	c, err := load(t, "", env)
	require.NoError(t, err)
	assert.Equal(t, []string{"https://h1:31001"}, c.PublicURLs)
	assert.Equal(t, "pw", c.AdminPassword.Reveal())
}

func TestLoad_reportsEveryFaultWithItsKey(t *testing.T) {
	env := map[string]string{"SCALEIO_SCHEDULER_SETTLE": "soon"}
	_, err := load(t, "media-type: tape\nadmin-password: hunter2\nmisspelt: 1\nagents-match: rack\ndisks-min-size: 100", env, "--cluster-name", "has blanks")
	require.Error(t, err)
	for _, want := range []string{
		"media-type (", "admin-password (", "misspelt (", "agents-match (", "disks-min-size (", "settle (SCALEIO_SCHEDULER_SETTLE)", "cluster-name (--cluster-name)",
		"mesos-masters (not set)", "public-urls (not set)", "manifest (not set)", "agent-url (not set)", "agent-sha256 (not set)",
	} {
		assert.Contains(t, err.Error(), want)
	}
	assert.NotContains(t, err.Error(), "hunter2")
}

// A misspelt variable would be a setting silently lost.
func TestLoad_refusesVariablesThatItDoesNotKnow(t *testing.T) {
	_, err := load(t, good, map[string]string{"SCALEIO_SCHEDULER_ALOW_UNSUPPORTED": "true", "SCALEIO_SCHEDULER_ADMIN_PASWORD": "hunter2", "SCALEIO_AGENT_X": "1"})
	require.Error(t, err)
	assert.Contains(t, err.Error(), "SCALEIO_SCHEDULER_ALOW_UNSUPPORTED (environment): no such variable")
	assert.Contains(t, err.Error(), "SCALEIO_SCHEDULER_ADMIN_PASWORD")
	assert.NotContains(t, err.Error(), "hunter2")
	assert.NotContains(t, err.Error(), "SCALEIO_AGENT_X")
	_, err = load(t, good, map[string]string{config.EnvURL: "https://s", config.EnvCAFile: "ca.pem", config.EnvTokenFile: "t"})
	require.NoError(t, err, "the other commands read these")
}

func TestLoad_values(t *testing.T) {
	rows := []struct {
		line string
		ok   bool
	}{
		{"settle: 90s", true}, {"settle: 2d", true}, {"settle: -1s", false}, {"settle: 9999w", false},
		{"reserve-mdm: 2 cpus, 512 MB", true}, {"reserve-mdm: 0 cpus, 512 MB", false}, {"reserve-mdm: lots", false},
		{"disks-min-size: 1TB", true}, {"disks-min-size: 1", false},
		{"disks-allow-types: loop", true}, {"disks-allow-types: [loop, dm]", true}, {"disks-allow-types: nvme", false},
		{"public-urls: http://plain", false}, {"mesos-masters: m1:5050", false}, {"mesos-masters: http://user:pw@m1", false},
		{"disks-use: match", false}, {"disks-match: '[a'", false}, {"agents-match: rack=r*", true},
		{"storage-pool: " + strings.Repeat("x", 32), false}, {"mesos-role: 'a b'", false}, {"state-dir: ''", false}, {"zero-padding: maybe", false},
		{"reboots: rolling", true}, {"reboots: always", false}, {"allow-unsupported: true", true}, {"allow-unsupported: flatcar", false},
		{"module-mirror: https://mirror/scini/", true}, {"module-mirror: ftp://mirror", false}, {"module-mirror: 'https://a,https://b'", false},
		{"mesos-masters: 'zk://z1:2181,z2:2181/mesos'", true}, {"mesos-masters: [zk://z1:2181, 'z2:2181/mesos']", true}, {"mesos-masters: zk://z1:2181", false},
		{"mesos-masters: 'zk://user:pw@z1/mesos'", false}, {"state: zk://z1/scaleio", false}, // without what has to be said with it
		{"growth: off", true}, {"growth: dry-run", true}, {"growth: always", false}, {"growth: auto", false}, // without a budget
		{"growth-budget: 99.50", true}, {"growth-budget: $500", true}, {"growth-budget: 0", false}, {"growth-budget: -5", false}, {"growth-budget: lots", false},
		{"growth-threshold: 80", true}, {"growth-threshold: 100", false}, {"growth-safety: 1.5", true}, {"growth-safety: 0", false}, {"growth-safety: NaN", false},
		{"growth-patience: 0s", false}, {"growth-max-per-day: 2", false}, {"growth-spare-slots: 0", true},
		{"growth-volume-type: st1", true}, {"growth-volume-type: gp9", false}, {"growth-volume-type: io2", false}, // without IOPS
		{"growth-volume-iops: 4000", true}, {"growth-volume-throughput: 250", true}, {"growth-volume-size: 200GB", true}, {"growth-volume-size: 50GB", false}, // below disks-min-size
		{"growth-volume-size: 100000M", false}, {"growth-volume-size: 65TB", false}, {"growth-tags: 'team=storage, cost=42'", true}, {"growth-tags: team", false},
		{"growth-tags: '" + longTags(23) + "'", true}, {"growth-tags: '" + longTags(24) + "'", false},
		{"growth-tags: scaleio-framework/cluster=mine", false}, {"growth-tags: AWS:x=y", false}, {"growth-endpoint: http://127.0.0.1:8080", true}, {"growth-endpoint: ec2", false},
		{"growth-delete-on-termination: true", true}, {"growth-kms-key: 'arn:aws:kms:x'", true},
	}
	for _, row := range rows {
		key, _, _ := strings.Cut(row.line, ":")
		base := ""
		for line := range strings.Lines(good) {
			if !strings.HasPrefix(line, key+":") {
				base += line
			}
		}
		_, err := load(t, base+row.line+"\n", nil)
		assert.Equal(t, row.ok, err == nil, "%s: %v", row.line, err)
	}
}

// Whoever lets the cluster buy by itself says for how much; and what EC2 would refuse is refused here.
func TestLoad_growth(t *testing.T) {
	c, err := load(t, good, nil)
	require.NoError(t, err)
	assert.Equal(t, "approve", c.Growth.Mode)
	assert.Equal(t, "gp3", c.Growth.VolumeType)
	assert.Equal(t, 30*time.Minute, c.Growth.Cooldown)
	c, err = load(t, good+"growth: auto\n", map[string]string{"SCALEIO_SCHEDULER_GROWTH_BUDGET": "1200"}, "--growth-tags", "team=a")
	require.NoError(t, err)
	assert.EqualValues(t, 120_000, c.Growth.BudgetCents)
	assert.Equal(t, map[string]string{"team": "a"}, c.Growth.Tags)
	for _, lines := range []string{
		"growth-volume-type: st1\ngrowth-volume-iops: 100\n", "growth-volume-type: gp2\ngrowth-volume-throughput: 200\n", "growth-volume-encrypted: false\ngrowth-kms-key: k\n",
	} {
		_, err = load(t, good+lines, nil)
		require.Error(t, err, lines)
	}
	_, err = load(t, good+"growth-volume-type: io2\ngrowth-volume-iops: 3000\n", nil)
	require.NoError(t, err)
}

// State that many see needs a password and a key; state that moves needs tokens that come along.
func TestLoad_stateInZooKeeper(t *testing.T) {
	const whole = "state: zk://z1,z2:2182/scaleio\nzk-auth-file: /run/zk\nstate-key-file: /run/key\noperator-token-file: /run/o\nread-token-file: /run/r\n"
	c, err := load(t, good+whole, nil)
	require.NoError(t, err)
	assert.Equal(t, "zk://z1,z2:2182/scaleio", c.State)
	assert.Equal(t, 10*time.Second, c.ZKSession)
	for line := range strings.Lines(whole) {
		key, _, _ := strings.Cut(line, ":")
		_, err := load(t, good+strings.Replace(whole, line, "", 1), nil)
		assert.Equal(t, key == "state", err == nil, "%s: %v", key, err)
	}
	_, err = load(t, good+strings.Replace(whole, "zk-auth-file: /run/zk", "zk-open: true", 1), nil)
	require.NoError(t, err)
	_, err = load(t, good+whole+"zk-open: true\n", nil)
	require.Error(t, err)
	_, err = load(t, good+strings.Replace(whole, "zk://", "zk://user:hunter2@", 1), nil)
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "hunter2")
}

// What a person typed wrong is shown to him, and to whoever reads the log: no password may be in it.
func TestLoad_faultsShowNoPassword(t *testing.T) {
	for _, key := range []string{"mesos-masters", "public-urls", "agent-url"} {
		for _, url := range []string{"https://user:hunter2@m1:5050", "https://m1,https://user:hunter2@m2", "ftp://user:hunter2@m1", "https://user:hunter2@m1:%zz"} {
			_, err := load(t, good, nil, "--"+key, url)
			if key == "agent-url" && strings.Contains(url, ",") {
				continue
			}
			require.Error(t, err, "%s %s", key, url)
			assert.NotContains(t, err.Error(), "hunter2")
		}
	}
	_, err := load(t, good, nil, "--agent-url", "hdfs://name/scaleio-agent")
	require.NoError(t, err)
}

func TestReference_namesEveryFlag(t *testing.T) {
	flags := pflag.NewFlagSet("run", pflag.ContinueOnError)
	config.RegisterFlags(flags)
	reference := config.Reference()
	count := 0
	flags.VisitAll(func(f *pflag.Flag) {
		count++
		assert.Contains(t, reference, "| `"+f.Name+"` |")
	})
	assert.Greater(t, count, 30)
}

// longTags are so many, of 256 bytes each in a record.
func longTags(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%02d=%s", i, strings.Repeat("v", 256-len(`"00":"",`))))
	}
	return strings.Join(all, ",")
}

package mesos_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

// replayed recordings run whole, every request and event of them.
var replayed = []string{
	"01-subscribe-heartbeat",
	"02-subscribe-errors",
	"03-call-errors",
	"05-decline-suppress-revive",
	"06-invalid-launches",
	"07-reconcile",
	"08-resubscribe-failover",
	"09-failover-timeout",
	"10-teardown",
	"13-agent-killed-unreachable",
	"14-agent-restart-recover",
	"17-operator-api",
	"19-partition-aware",
	"21-two-masters-redirect",
	"22-noncheckpoint-agent-killed",
	"23-unacked-retry-backoff",
	"24-offer-timeout-reserved",
	"25-framework-authentication",
}

// notReplayed says of every other recording why. Names end before the dot.
var notReplayed = map[string]string{
	"03b-unknown-call-type-crash":                 "a crash of the recorded commit; the dev master answers 400",
	"04-launch-command-task":                      "sandbox and environment: held against the dev agent in test/mesos/agent",
	"11-health-checks":                            "made by the executor: held against the dev agent in test/mesos/agent",
	"12-task-and-executor-failures":               "command not found, exits and signals are held against the dev agent; no custom executors here",
	"14b-agent-restart-changed-attributes":        "held against the dev agent in test/mesos/agent; no additive reconfiguration",
	"15-agent-gone-drain":                         "operator writes (MARK_AGENT_GONE, DRAIN_AGENT) are not carried out here",
	"16-executor-api":                             "no custom executors here",
	"16-executor-side":                            "no custom executors here",
	"16-executor-side-crash":                      "no custom executors here",
	"16-executor-side-teardown":                   "no custom executors here",
	"18-master-restart":                           "two master processes: TestRemoteAgent_findsARestartedMaster",
	"18b-master-restart-replicated-log":           "no replicated log here: the registry is in memory",
	"20-fetcher-uris":                             "held against the dev agent in test/mesos/agent; no cache and no output_file",
	"26-task-group-default-executor":              "no task groups here",
	"27-executor-heartbeats-and-agent-404":        "no executor API here",
	"27-executor-side-heartbeats":                 "no executor API here",
	"28-gzip-and-http10":                          "details of libprocess' HTTP server; Go's stands here",
	"29-ha-zookeeper-redirect-failover":           "no ZooKeeper here; the 307 is held in TestMaster_redirectsToTheLeader",
	"30-mesos-go-protobuf-client":                 "output of a client, not an exchange: TestMaster_speaksProtobufWithMesosGo",
	"31-early-kill-executor-registration-timeout": "no custom executors here",
}

// requestsNotReplayed are single requests of replayed recordings that the dev
// master doesn't answer as recorded, and why.
var requestsNotReplayed = map[string]string{
	"17-operator-api conn agent":             "the agent's operator API: test/mesos/agent",
	"17-operator-api conn oper-events":       "no operator event stream",
	"17-operator-api GET_FLAGS":              "flags of a mesos-master process",
	"17-operator-api GET_ROLES":              "not needed by the product",
	"17-operator-api GET_WEIGHTS":            "not needed by the product",
	"17-operator-api GET_QUOTA":              "not needed by the product",
	"17-operator-api GET_LOGGING_LEVEL":      "not needed by the product",
	"17-operator-api GET_MAINTENANCE_STATUS": "not needed by the product",
	"17-operator-api GET_OPERATIONS":         "not needed by the product",
	"17-operator-api SUBSCRIBE":              "no operator event stream",
	"17-operator-api /version":               "build details",
	"17-operator-api /master/state":          "v0 answers are held by TestMaster_stateForOperators",
	"17-operator-api /state":                 "v0 answers are held by TestMaster_stateForOperators",
	"17-operator-api /master/slaves":         "v0 answers are held by TestMaster_stateForOperators",
	"17-operator-api /master/frameworks":     "v0 answers are held by TestMaster_stateForOperators",
	"17-operator-api /master/state-summary":  "not needed by the product",
	"17-operator-api /master/tasks":          "not needed by the product",
	"17-operator-api /master/roles":          "not needed by the product",
	"17-operator-api /master/flags":          "flags of a mesos-master process",
	"17-operator-api /metrics/snapshot":      "not needed by the product",
	"17-operator-api /state.json":            "not needed by the product",
	"17-operator-api /master/state.json":     "not needed by the product",
	"17-operator-api /help":                  "web pages of libprocess",
	"17-operator-api /":                      "the web interface",
}

func TestReplay(t *testing.T) {
	for _, name := range replayed {
		t.Run(name, func(t *testing.T) {
			entries := loadRecording(t, name)
			synctest.Test(t, func(t *testing.T) { newReplay(t, name, entries).run() })
		})
	}
}

// Every recording in testdata is replayed; every one that isn't has a reason.
func TestReplay_coversOrExplains(t *testing.T) {
	covered := map[string]bool{}
	for _, name := range replayed {
		covered[name] = true
		require.NotContains(t, notReplayed, name)
	}
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		require.True(t, covered[name], "%s is in testdata but neither replayed nor removed", name)
	}
	for name, why := range notReplayed {
		require.NotEmpty(t, why, name)
		_, err := os.Stat(filepath.Join("testdata", name+".json"))
		require.ErrorIs(t, err, os.ErrNotExist, name)
	}
}

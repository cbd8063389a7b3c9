package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"scaleio-framework/platform/machinetest"
)

type alertRule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

func alertRules(t *testing.T) (rules []alertRule) {
	t.Helper()
	raw, err := os.ReadFile("../packaging/prometheus/alerts.yaml")
	require.NoError(t, err)
	var file struct{ Groups []struct{ Rules []alertRule } }
	require.NoError(t, yaml.Unmarshal(raw, &file))
	for _, g := range file.Groups {
		rules = append(rules, g.Rules...)
	}
	require.Greater(t, len(rules), 10)
	return rules
}

var (
	metricName = regexp.MustCompile(`\bscaleio_(?:scheduler|agent)_[a-z_]+`)
	heading    = regexp.MustCompile(`(?m)^##+ (.+)$`)
)

// Each rule leads a person to a section that exists, and rests on metrics that the programs really show.
func TestAlerts_nameSectionsAndMetricsThatExist(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	var anchors []string
	for _, h := range heading.FindAllStringSubmatch(string(readme), -1) {
		anchors = append(anchors, "#"+strings.ReplaceAll(regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
	}
	shown := exposition(t)
	for _, r := range alertRules(t) {
		assert.Contains(t, anchors, r.Annotations["readme"], r.Alert)
		assert.NotEmpty(t, r.Annotations["summary"], r.Alert)
		for _, name := range metricName.FindAllString(r.Expr, -1) {
			assert.Contains(t, shown, name, r.Alert)
		}
	}
}

// exposition gives the names of all metrics in the two programs' sources, as they are written there.
func exposition(t *testing.T) (names []string) {
	t.Helper()
	for file, pattern := range map[string]*regexp.Regexp{
		"../scheduler/metrics.go": regexp.MustCompile(`gauge\((?:fmt\.Sprintf\()?"([a-z_]+)`),
		"../agent/endpoint.go":    regexp.MustCompile(`# TYPE scaleio_agent_([a-z_]+)`),
	} {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		prefix := "scaleio_" + filepath.Base(filepath.Dir(file)) + "_"
		for _, m := range pattern.FindAllStringSubmatch(string(raw), -1) {
			names = append(names, prefix+m[1])
		}
	}
	return names
}

// series that make an alert fire: value for all of an hour (or five), by alert.
var firing = map[string][]string{
	"ScaleIOSchedulerAway":        {`up{job="scaleio-scheduler"} 0`},
	"ScaleIONotSubscribed":        {`scaleio_scheduler_subscribed 0`},
	"ScaleIONobodyLeads":          {`scaleio_scheduler_leader_lease 0`, `scaleio_scheduler_gate_open{gate="cluster-formed"} 1`},
	"ScaleIODataDegraded":         {`scaleio_scheduler_pool_bytes{kind="degraded"} 4096`},
	"ScaleIODataFailed":           {`scaleio_scheduler_pool_bytes{kind="failed"} 1`},
	"ScaleIOPoolFilling":          {`scaleio_scheduler_growth_fullness_ratio 0.95`},
	"ScaleIOOrphanedVolumes":      {`scaleio_scheduler_growth_orphans 1`},
	"ScaleIOHeld":                 {`scaleio_scheduler_held 1`},
	"ScaleIORebootLate":           {`scaleio_scheduler_reboot_late 1`},
	"ScaleIORolloutStopped":       {`scaleio_scheduler_rollout_stopped 1`},
	"ScaleIONodesNotReady":        {`scaleio_scheduler_nodes 3`, `scaleio_scheduler_nodes_ready 2`},
	"ScaleIOAgentAway":            {`up{job="scaleio-agent"} 0`},
	"ScaleIONodeNotReady":         {`scaleio_agent_ready 0`},
	"ScaleIOSchedulerUnreachable": {`scaleio_agent_scheduler_reachable 0`},
	"ScaleIOClockSkew":            {`scaleio_agent_condition{type="check-node",reason="ClockSkew"} 0`},
}

// healthy series: no alert fires by them.
var healthy = []string{`up{job="scaleio-scheduler"} 1`, `up{job="scaleio-agent"} 1`, `scaleio_scheduler_subscribed 1`, `scaleio_scheduler_leader_lease 1`,
	`scaleio_scheduler_gate_open{gate="cluster-formed"} 1`, `scaleio_scheduler_pool_bytes{kind="degraded"} 0`, `scaleio_scheduler_pool_bytes{kind="failed"} 0`,
	`scaleio_scheduler_growth_fullness_ratio 0.5`, `scaleio_scheduler_growth_forecast_seconds{until="full"} 900000`, `scaleio_scheduler_growth_orphans 0`, `scaleio_scheduler_held 0`, `scaleio_scheduler_reboot_late 0`, `scaleio_scheduler_rollout_stopped 0`,
	`scaleio_scheduler_nodes 3`, `scaleio_scheduler_nodes_ready 3`, `scaleio_agent_ready 1`, `scaleio_agent_scheduler_reachable 1`,
	`scaleio_agent_condition{type="check-node",reason="Satisfied"} 1`}

// Prometheus' own rule engine sees every alert fire for its series after its time, not before, and none for a healthy cluster.
func TestAlerts_fire(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		machinetest.Lacks(t, "promtool (package prometheus)")
	}
	rules, err := filepath.Abs("../packaging/prometheus/alerts.yaml")
	require.NoError(t, err)
	type obj = map[string]any
	series := func(lines []string) (all []obj) {
		for _, line := range lines {
			i := strings.LastIndex(line, " ")
			all = append(all, obj{"series": line[:i], "values": line[i+1:] + "x600"})
		}
		return all
	}
	var tests []obj
	var none []obj
	for _, r := range alertRules(t) {
		require.NotEmpty(t, firing[r.Alert], "%s is shown by no series", r.Alert)
		wait, _ := time.ParseDuration(r.For)
		labels := obj{"severity": r.Labels["severity"]}
		for _, m := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(firing[r.Alert][0], -1) {
			labels[m[1]] = m[2]
		}
		fired := obj{"alertname": r.Alert, "eval_time": fmt.Sprint(wait + time.Minute), "exp_alerts": []obj{{"exp_labels": labels, "exp_annotations": r.Annotations}}}
		checks := []obj{fired}
		if wait > 0 {
			checks = append(checks, obj{"alertname": r.Alert, "eval_time": fmt.Sprint(wait - time.Minute), "exp_alerts": []obj{}})
		}
		tests = append(tests, obj{"interval": "1m", "input_series": series(firing[r.Alert]), "alert_rule_test": checks})
		none = append(none, obj{"alertname": r.Alert, "eval_time": "9h", "exp_alerts": []obj{}})
	}
	tests = append(tests, obj{"interval": "1m", "input_series": series(healthy), "alert_rule_test": none})
	raw, err := yaml.Marshal(obj{"rule_files": []string{rules}, "evaluation_interval": "1m", "tests": tests})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "alerts_test.yaml")
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", file).CombinedOutput()
	require.NoError(t, err, "%s", out)
	assert.True(t, slices.Contains(strings.Fields(string(out)), "SUCCESS"), "%s", out)
}

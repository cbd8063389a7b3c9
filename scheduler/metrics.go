package scheduler

import (
	"errors"
	"fmt"
	"io"

	vm "github.com/VictoriaMetrics/metrics"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// metrics of one scheduler, in a set of its own.
type metrics struct {
	set     *vm.Set
	reports *vm.Counter
	commits *vm.Summary
}

func newMetrics() *metrics {
	set := vm.NewSet()
	return &metrics{
		set: set, reports: set.NewCounter("scaleio_scheduler_reports_total"),
		commits: set.NewSummary("scaleio_scheduler_commit_seconds"),
	}
}

func (m *metrics) event(kind string) {
	m.set.GetOrCreateCounter(fmt.Sprintf("scaleio_scheduler_events_total{kind=%q}", kind)).Inc()
}

func (m *metrics) join(err error) {
	result := "ok"
	var refused *api.Error
	if errors.As(err, &refused) {
		result = string(refused.Code)
	} else if err != nil {
		result = "failed"
	}
	m.set.GetOrCreateCounter(fmt.Sprintf("scaleio_scheduler_joins_total{result=%q}", result)).Inc()
}

func (m *metrics) update(state TaskState) {
	m.set.GetOrCreateCounter(fmt.Sprintf("scaleio_scheduler_task_updates_total{state=%q}", string(state))).Inc()
}

func (m *metrics) offered(answers []OfferAnswer) {
	for _, a := range answers {
		answer := "declined"
		if a.Launch != nil {
			answer = "launched"
		}
		m.set.GetOrCreateCounter(fmt.Sprintf("scaleio_scheduler_offers_total{answer=%q}", answer)).Inc()
	}
}

func (m *metrics) request(route string, status int) {
	m.set.GetOrCreateCounter(fmt.Sprintf("scaleio_scheduler_requests_total{path=%q,code=\"%d\"}", route, status)).Inc()
}

// writeMetrics in the Prometheus text format: counters, and how things stand now.
func (b *brain) writeMetrics(w io.Writer) {
	b.metrics.set.WritePrometheus(w)
	vm.WriteProcessMetrics(w)
	b.mu.RLock()
	defer b.mu.RUnlock()
	s := b.snapshot()
	gauge := func(name string, value float64) { fmt.Fprintf(w, "scaleio_scheduler_%s %g\n", name, value) }
	truth := map[bool]float64{true: 1}
	ready := 0.0
	for _, n := range s.Nodes {
		ready += truth[decide.Ready(&s, n)]
	}
	gauge("nodes", float64(len(s.Nodes)))
	gauge("nodes_ready", ready)
	gauge("tasks", float64(len(b.agents)))
	gauge("held_reports", float64(len(b.held)))
	gauge("subscribed", truth[b.connection == nil])
	gauge("leader_lease", truth[s.Leases.Leader != "" && s.Now.Before(s.Leases.LeaderUntil)])
	gauge("disruption_lease", truth[s.Leases.Disruption != ""])
	interrupted := decide.Interruption(&s)
	gauge("reboot_late", truth[interrupted != nil && interrupted.Late])
	gauge("rollout_stopped", truth[s.Rollout != nil && s.Rollout.State == decide.RolloutStopped])
	gauge("held", truth[s.Held(nil) != nil])
	for _, g := range api.Gates {
		gauge(fmt.Sprintf("gate_open{gate=%q}", string(g)), truth[s.Cluster.Open(g)])
	}
	if s.View != nil && s.View.Pool != nil {
		p := s.View.Pool
		for name, bytes := range map[string]int64{"raw": p.RawBytes, "spare": p.SpareBytes, "in_use": p.InUseBytes, "degraded": p.DegradedBytes, "failed": p.FailedBytes} {
			gauge(fmt.Sprintf("pool_bytes{kind=%q}", name), float64(bytes))
		}
	}
	b.writeGrowth(gauge, decide.GrowthOf(&s))
}

// writeGrowth: how full, how soon fuller, what was bought and what it costs. Times that aren't known are left out.
func (b *brain) writeGrowth(gauge func(string, float64), g *api.GrowthView) {
	if g == nil {
		return
	}
	gauge("growth_fullness_ratio", g.Fullness/100)
	gauge("growth_threshold_ratio", float64(g.Threshold)/100)
	gauge("growth_provisioned_bytes", float64(g.Provisioned))
	gauge("growth_usable_bytes", float64(g.UsableBytes))
	if f := g.Forecast; f != nil {
		gauge("growth_forecast_bytes_per_second", float64(f.PerDay)/(24*60*60))
		gauge("growth_forecast_confidence", f.Confidence)
		for level, left := range map[string]int64{"threshold": f.ThresholdMS, "full": f.FullMS} {
			if left > 0 {
				gauge(fmt.Sprintf("growth_forecast_seconds{until=%q}", level), float64(left)/1000)
			}
		}
	}
	gauge("growth_volumes", float64(g.Volumes))
	gauge("growth_monthly_dollars", float64(g.Monthly)/100)
	gauge("growth_priced", map[bool]float64{true: 1}[g.Priced]) // 0: the dollars lack volumes whose price isn't known
	gauge("growth_budget_dollars", float64(g.Budget)/100)
	gauge("growth_orphans", float64(len(g.Orphans)))
	states := map[api.ExpansionState]float64{}
	for _, e := range b.state.Ledger {
		states[e.State]++
	}
	for _, state := range []api.ExpansionState{api.ExpansionProposed, api.ExpansionBuying, api.ExpansionEnded, api.ExpansionWithdrawn} {
		gauge(fmt.Sprintf("growth_expansions{state=%q}", string(state)), states[state])
	}
}

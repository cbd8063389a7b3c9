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
}

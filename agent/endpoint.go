package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"scaleio-framework/scheduler/api"
)

// Unmet is one line of a /readyz that isn't: the verdict, without serials or topology (anybody on the network may read it).
type Unmet struct {
	Condition string     `json:"condition"`
	Status    api.Status `json:"status"`
	Reason    string     `json:"reason"`
}

// Readiness is what /readyz answers.
type Readiness struct {
	Ready bool    `json:"ready"`
	Unmet []Unmet `json:"unmet,omitempty"`
}

// serve answers the node's health endpoint: plain HTTP, GET only.
func (a *Agent) serve(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", a.healthz)
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.HandleFunc("GET /metrics", a.metrics)
	listener, err := net.Listen("tcp", a.Listen)
	if err != nil {
		return fmt.Errorf("listening on %s for the health endpoint: %w", a.Listen, err)
	}
	return serveUntil(ctx, &crowd{Listener: listener, inside: map[bool]int{}}, mux)
}

func serveUntil(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}

func (a *Agent) healthz(w http.ResponseWriter, _ *http.Request) {
	if !a.pulse.alive() {
		http.Error(w, "the main loop doesn't move", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (a *Agent) readiness() Readiness {
	a.mu.Lock()
	defer a.mu.Unlock()
	answer := Readiness{Ready: a.readyLocked()}
	switch {
	case a.waiting.reason != "":
		answer.Unmet = append(answer.Unmet, Unmet{api.ConditionNotJoined, api.True, a.waiting.reason})
	case a.kept.Spec == nil:
		answer.Unmet = append(answer.Unmet, Unmet{api.ConditionNotJoined, api.True, reasonNoSpecYet})
	}
	for _, c := range a.seen.result.Conditions {
		if c.Status != api.True {
			answer.Unmet = append(answer.Unmet, Unmet{c.Type, c.Status, c.Reason})
		}
	}
	if a.seen.unsupp != "" {
		answer.Unmet = append(answer.Unmet, Unmet{api.ConditionUnsupportedSpec, api.True, "UnsupportedSpec"})
	}
	if a.conflictLocked() != "" {
		answer.Unmet = append(answer.Unmet, Unmet{api.ConditionIdentityConflict, api.True, "IdentityConflict"})
	}
	return answer
}

func (a *Agent) readyz(w http.ResponseWriter, _ *http.Request) {
	answer := a.readiness()
	w.Header().Set("Content-Type", "application/json")
	if !answer.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer) // the reader is gone: nobody to tell
}

func (a *Agent) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	ready := a.readiness()
	number := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	a.mu.Lock()
	conditions := a.conditionsLocked()
	passes, leading := a.seen.passes, a.seen.view != nil
	away := a.answer.away != nil
	a.mu.Unlock()
	fmt.Fprintf(w, "# HELP scaleio_agent_build_info Version of the agent.\n# TYPE scaleio_agent_build_info gauge\nscaleio_agent_build_info{version=%q} 1\n", a.Version)
	fmt.Fprintf(w, "# HELP scaleio_agent_ready Whether every condition holds.\n# TYPE scaleio_agent_ready gauge\nscaleio_agent_ready %d\n", number(ready.Ready))
	fmt.Fprintf(w, "# HELP scaleio_agent_leading Whether this node converges the cluster.\n# TYPE scaleio_agent_leading gauge\nscaleio_agent_leading %d\n", number(leading))
	fmt.Fprintf(w, "# HELP scaleio_agent_scheduler_reachable Whether the last call was answered.\n# TYPE scaleio_agent_scheduler_reachable gauge\nscaleio_agent_scheduler_reachable %d\n", number(!away))
	fmt.Fprintf(w, "# HELP scaleio_agent_passes_total Walks over all steps.\n# TYPE scaleio_agent_passes_total counter\nscaleio_agent_passes_total %d\n", passes)
	fmt.Fprintf(w, "# HELP scaleio_agent_condition Each step or condition: 1 when it holds.\n# TYPE scaleio_agent_condition gauge\n")
	for _, c := range conditions {
		fmt.Fprintf(w, "scaleio_agent_condition{type=%q,reason=%q} %d\n", c.Type, c.Reason, number(c.Status == api.True))
	}
	metrics.WriteProcessMetrics(w)
}

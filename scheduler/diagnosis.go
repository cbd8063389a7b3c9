package scheduler

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"

	"scaleio-framework/scheduler/api"
)

// diagRecords are the kinds of records that a diagnosis shows. Others hold keys and passwords, or aren't known not to.
var diagRecords = []string{keyCluster, keyFramework, keyLeases, keyRollout, kindNode, kindAgent, kindExpansion}

// maxDiagReports of nodes, those that aren't Ready first.
const maxDiagReports = 200

// Diagnose gives what whoever helps an operator asks for, without secrets.
func (b *brain) Diagnose(ctx context.Context) (api.Diagnosis, error) {
	all, err := b.records.store.List(ctx, "")
	if err != nil {
		return api.Diagnosis{}, api.Errorf(api.CodeUnavailable, "reading the store: %v", err)
	}
	var d api.Diagnosis
	b.mu.RLock()
	secrets := []string{b.AdminPassword.Reveal(), b.secrets.GatewayAdmin, b.secrets.VolumeUser}
	settings := map[string]any{"settings": b.Settings, "agentsMatch": b.AgentsMatch, "reserveMDM": b.ReserveMDM, "reserveData": b.ReserveData, "servers": b.Servers,
		"artifacts": len(b.Artifacts), "framework": b.Framework, "adopt": b.Adopt}
	b.mu.RUnlock()
	add := func(name string, v any) {
		raw, err := json.MarshalIndent(v, "", " ")
		if err != nil {
			raw = []byte(err.Error())
		}
		d.Add(name, string(raw), secrets...)
	}
	status := b.Status()
	add("status.json", status)
	add("plan.json", b.Plan())
	add("events.json", b.Events(api.EventQuery{}))
	add("configuration.json", settings)
	var explained, metrics, goroutines, records strings.Builder
	for _, n := range status.Nodes {
		if e, err := b.Explain(ctx, n.Name); err == nil && !n.Ready {
			fmt.Fprintf(&explained, "%s: %s: %s\n", n.Name, e.InTheWay, e.Means)
		}
	}
	d.Add("explained.txt", explained.String(), secrets...)
	b.writeMetrics(&metrics)
	d.Add("metrics.txt", metrics.String(), secrets...)
	d.Add("versions.txt", versions(), secrets...)
	reports := 0
	for _, rec := range all {
		for _, kind := range diagRecords {
			if rec.Key == kind || strings.HasSuffix(kind, "/") && strings.HasPrefix(rec.Key, kind) {
				fmt.Fprintf(&records, "%s (revision %d)\n%s\n", rec.Key, rec.Revision, pretty(rec.Value))
			}
		}
	}
	d.Add("records.txt", records.String(), secrets...)
	var last strings.Builder
	for _, ready := range []bool{false, true} {
		for _, n := range status.Nodes {
			if n.Ready != ready || reports == maxDiagReports {
				continue
			}
			for _, rec := range all {
				if rec.Key == kindReport+n.Node {
					reports++
					fmt.Fprintf(&last, "%s (%s)\n%s\n", n.Name, n.Node, pretty(rec.Value))
				}
			}
		}
	}
	d.Add("reports.txt", last.String(), secrets...)
	if p := pprof.Lookup("goroutine"); p != nil {
		_ = p.WriteTo(&goroutines, 1) // to memory
	}
	d.Add("goroutines.txt", goroutines.String(), secrets...)
	return d, nil
}

func pretty(raw []byte) string {
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", " "); err != nil {
		return string(raw)
	}
	return out.String()
}

func versions() string {
	text := "go " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + "\n"
	if info, ok := debug.ReadBuildInfo(); ok {
		text += info.String()
	}
	return text
}

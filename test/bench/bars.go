package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// A bar is what a figure has to reach. They were set before anything was measured, from what others do, promise and measure.
type bar struct {
	name, what string
	figure
	most, least float64 // least counts where most is 0 and none isn't said
	none        bool    // the figure has to be 0
}

var bars = []bar{
	{name: "M1", what: "3 bare nodes until Ready, against a straight-line script on the same nodes", figure: figure{"BenchmarkBringUp", "x-script"}, most: 1.10},
	{name: "M1", what: "own overhead of that", figure: figure{"BenchmarkBringUp", "own-s"}, most: 1},
	{name: "M2", what: "10,000 agents placed, one core", figure: figure{"BenchmarkPlaced", "s/10000"}, most: 60},
	{name: "M2", what: "offers held at rest", figure: figure{"BenchmarkPlaced", "offers-held"}, none: true},
	{name: "M2", what: "until the first agent is offered again", figure: figure{"BenchmarkPlaced", "min-to-offer"}, least: 60},
	{name: "M3", what: "scheduler's RSS with 1,000 nodes", figure: figure{"BenchmarkHeld", "MiB@1000"}, most: 32},
	{name: "M3", what: "with 10,000", figure: figure{"BenchmarkHeld", "MiB@10000"}, most: 64},
	{name: "M3", what: "with 50,000, computed from these two", figure: figure{"BenchmarkHeld", "MiB@50000"}, most: 192},
	{name: "M4", what: "agent's RSS at rest", figure: figure{"BenchmarkAtRest", "MiB"}, most: 16},
	{name: "M4", what: "its CPU time, of a core", figure: figure{"BenchmarkAtRest", "%core"}, most: 0.02},
	{name: "M4", what: "its growth over the time, of its RSS", figure: figure{"BenchmarkAtRest", "%growth"}, most: 2},
	{name: "M5", what: "kernel's event → verified identity of the disk, p99", figure: figure{"BenchmarkSeen_fromEventToIdentity", "p99-ms"}, most: 10},
	{name: "M6", what: "decision to grow → capacity usable, less EC2's time, p99", figure: figure{"BenchmarkReach", "own-p99-s"}, most: 2},
	{name: "M7", what: "scheduler killed → orders flow, beyond ZooKeeper's session", figure: figure{"BenchmarkKilled", "s-beyond-session"}, most: 1},
	{name: "M7", what: "tasks launched anew by that", figure: figure{"BenchmarkKilled", "tasks-anew"}, none: true},
	{name: "M8", what: "changing EC2 calls per volume, 100 at a time", figure: figure{"BenchmarkCalls/100/on=1", "mutating/volume"}, most: 2},
	{name: "M8", what: "describing ones", figure: figure{"BenchmarkCalls/100/on=1", "describes/volume"}, most: 0.1},
	{name: "M9", what: "systemd's exposure score of the agent's unit", figure: figure{"BenchmarkExposure", "score"}, most: 4.5},
}

// table of what was measured, as Markdown.
func table(measured map[figure]float64) string {
	var text strings.Builder
	text.WriteString("| | what | measured | bar | met |\n|---|---|---|---|---|\n")
	for _, b := range bars {
		value, is := measured[b.figure]
		if !is {
			continue
		}
		met := "yes"
		if !b.met(value) {
			met = "**no**"
		}
		fmt.Fprintf(&text, "| %s | %s | %.4g %s | %s | %s |\n", b.name, b.what, value, b.unit, b.text(), met)
	}
	return text.String()
}

func (b bar) met(value float64) bool {
	switch {
	case b.none:
		return value == 0
	case b.most > 0:
		return value <= b.most
	}
	return value >= b.least
}

func (b bar) text() string {
	switch {
	case b.none:
		return "0"
	case b.most > 0:
		return fmt.Sprintf("≤ %g", b.most)
	}
	return fmt.Sprintf("≥ %g", b.least)
}

// machine says where and when: a figure without that is worth nothing.
func machine() string {
	load, _ := os.ReadFile("/proc/loadavg")
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return fmt.Sprintf("%s, %d × %s, Linux %s, %s; load %s\n", time.Now().UTC().Format("2006-01-02 15:04Z"), runtime.NumCPU(), processor(),
		strings.TrimSpace(string(kernel)), runtime.Version(), strings.Join(strings.Fields(string(load))[:min(3, len(strings.Fields(string(load))))], " "))
}

func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

package systemd

import "time"

// UnitState as PID 1 tells it.
type UnitState struct {
	Load         string // loaded | not-found | masked ...
	Active       string // active | inactive | failed | activating ...
	Sub          string // running | exited | dead ...
	Enabled      string // enabled | disabled | static | masked | "" if there is no unit file
	Result       string // success, or how the last run failed
	MainPID      int
	NeedsReload  bool // unit files on disk are newer than what PID 1 has read
	ActiveSince  time.Time
	ExecMainCode int
}

// A Job is a command that PID 1 runs for us as a transient service: its own cgroup, no hardening, not killed with its caller.
type Job struct {
	Name    string   // unit name without .service, the same for the same work: a second run adopts a running first
	Argv    []string // absolute path first
	Dir     string   // working folder; "" = /
	Env     []string // KEY=value: readable by any local user through D-Bus
	EnvFile string   // secrets: a 0600 file in /run that the caller deletes after
	Timeout time.Duration
}

// A JobError is a job that ran and failed.
type JobError struct {
	Unit   string
	Result string // exit-code, signal, timeout ...
	Code   int
	Output string // the end of what it printed
}

package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"scaleio-framework/installer"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// A replacement is the record of one agent that comes in place of another. It is written before anything is switched and read by both: it goes when the
// new one has shown its node as it was before; until then the old one may take its place back at any time. Of an agent that was gone back from it stays.
type replacement struct {
	Schema  int       `json:"schema"`
	From    string    `json:"from"` // SHA-256 of the agent that was here before
	To      string    `json:"to"`
	Attempt int       `json:"attempt,omitempty"`
	Since   time.Time `json:"since"` // for people
	Ready   bool      `json:"ready"` // the node was
	Held    []string  `json:"held,omitempty"`
	Back    string    `json:"back,omitempty"` // why From takes its place back; from here on To has lost it
}

const (
	replacementFile   = StateDir + "/replacement.json"
	replacementSchema = 1
)

// recallReplacement reads it; ok = there is one.
func recallReplacement(files installer.Files) (r replacement, ok bool, err error) {
	data, err := files.Read(replacementFile)
	if errors.Is(err, platform.ErrNotFound) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err == nil && (r.Schema > replacementSchema || !isDigest(r.From) || !isDigest(r.To)) {
		err = errors.New("it is damaged, or a newer agent's")
	}
	if err != nil {
		return r, false, fmt.Errorf("reading %s: %w", replacementFile, err)
	}
	return r, true, nil
}

func (r replacement) save(files installer.Files) error {
	r.Schema = replacementSchema
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := files.MkdirAll(StateDir, 0o700); err != nil {
		return err
	}
	return files.Write(replacementFile, append(data, '\n'), 0o600)
}

// proving: To is given its chance.
func (r replacement) proving() bool { return r.Back == "" }

// rolledBack is what is reported of it.
func (r replacement) rolledBack() *api.RolledBack {
	if r.Back == "" {
		return nil
	}
	return &api.RolledBack{SHA256: r.To, Attempt: r.Attempt, Why: r.Back, At: r.Since}
}

func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// binaryDir of an agent; its name is what is in it.
func binaryDir(sha256 string) string { return path.Join(InstallDir, "bin", sha256) }

func binaryOf(sha256 string) string { return path.Join(binaryDir(sha256), "scaleio-agent") }

// Units that bring the old agent back. They are there only while a new one has yet to show itself, and enabled: a reboot, or a crash of everything of ours, ends nothing.
const (
	rollbackTimer   = "scaleio-agent-rollback.timer"
	rollbackService = "scaleio-agent-rollback.service"
	unitDir         = "/etc/systemd/system/"
	timerWanted     = unitDir + "timers.target.wants/" + rollbackTimer
)

// rollbackUnits let PID 1 run the old agent's `rollback` after a time by its own monotonic clock, which begins anew with a boot.
func rollbackUnits(from string, within time.Duration) map[string]string {
	return map[string]string{
		rollbackTimer: fmt.Sprintf(`# Written by scaleio-agent; it goes when the new agent has shown its node Ready.
[Unit]
Description=ScaleIO agent: time for a new version to show its node Ready

[Timer]
OnActiveSec=%d
AccuracySec=1s

[Install]
WantedBy=timers.target
`, max(1, int(within/time.Second))),
		rollbackService: fmt.Sprintf(`# Written by scaleio-agent; started by its timer alone.
[Unit]
Description=ScaleIO agent: back to the version before

[Service]
Type=simple
ExecStart=%s rollback
Restart=on-failure
RestartSec=5
NoNewPrivileges=yes
`, binaryOf(from)),
	}
}

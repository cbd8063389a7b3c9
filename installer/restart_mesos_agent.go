package installer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// mesosAgentRestarted is the fact that the running Mesos agent has the isolator. It is restarted only when that is safe, under the disruption lease; one that
// doesn't come back as it was gets its old configuration back, and a person decides.
type mesosAgentRestarted struct{ *orders }

func restartMesosAgent(o *orders) step.Step { return mesosAgentRestarted{o} }

func (mesosAgentRestarted) Name() string { return intentRestartMesos }

// comeBackTime is how long the Mesos agent may take to be back with the same id and tasks.
const comeBackTime = 60 * time.Second

// mesosRestart is what the intent of a restart says: what has to be there again, and what went wrong.
type mesosRestart struct {
	Unit    string   `json:"unit"`
	AgentID string   `json:"agentId"`
	Tasks   []string `json:"tasks"`
	Failed  string   `json:"failed,omitempty"`
}

func (r mesosRestart) blocked() step.Finding {
	return step.Block("RolledBack", "%s; its old configuration was restored and %s restarted. Find out why, then remove %s to have it tried again",
		r.Failed, r.Unit, intentFile(intentRestartMesos, ""))
}

func (s mesosAgentRestarted) Check(ctx context.Context) (step.Finding, error) {
	m, begun, err := s.situation(ctx)
	if err != nil {
		return step.Finding{}, err
	}
	if m.folder == "" {
		return step.OK("no Mesos agent unit with flags in files here"), nil
	}
	if begun != nil && begun.Failed != "" {
		if exists(s.sys.Files, keptMesosConfig) {
			return step.Need("RollBackBegun", "the old configuration of %s has to be restored: %s", m.unit, begun.Failed), nil
		}
		return begun.blocked(), nil
	}
	if begun != nil {
		return step.Need("RestartBegun", "a restart of %s was begun and not seen to end", m.unit), nil
	}
	isolation, checkpoint, err := s.asked(m)
	if err != nil || !isolates(isolation) { // not yet, or somebody else's tool took it back: running as the files say is not enough then
		return step.Wait("NotConfigured", "%s/%s is %q: without %s and %s there is nothing to restart for", m.folder, flagIsolation, isolation, isolatorLinux, isolatorVolume), err
	}
	state, err := askMesosAgent(ctx, s.opts.Ask, mesosAddresses(s.orders, m))
	if err != nil {
		return step.Finding{}, err
	}
	if satisfies(state.Flags, isolation, checkpoint) {
		return s.settled(m)
	}
	unsafe, err := s.unsafe(ctx, m, state)
	if err != nil {
		return step.Finding{}, err
	}
	if unsafe != "" {
		return step.Block("UnsafeRestart", "the Mesos agent runs with %s=%q and %s=%q, its files say %q and %q. It isn't restarted: %s. Restart %s yourself when that suits you",
			flagIsolation, state.Flags[flagIsolation], flagCheckpoint, state.Flags[flagCheckpoint], isolation, checkpoint, unsafe, m.unit), nil
	}
	s.Leases.Want(api.LeaseDisruption)
	if _, held := s.Leases.Left(api.LeaseDisruption); !held {
		return step.Wait("WaitingForLease", "%s has to be restarted for the isolator: waits for the right to interrupt a node", m.unit), nil
	}
	return step.Need("OtherFlags", "%s runs with %s=%q, wanted %q", m.unit, flagIsolation, state.Flags[flagIsolation], isolation), nil
}

// settled: the copy of the old files is of no use any more, and would be the wrong one next time.
func (s mesosAgentRestarted) settled(m mesosAgent) (step.Finding, error) {
	if exists(s.sys.Files, keptMesosConfig) {
		return step.Need("CopyDone", "%s runs with the isolator; the copy of its old configuration can go", m.unit), nil
	}
	return step.OK("%s runs with %s and %s", m.unit, isolatorLinux, isolatorVolume), nil
}

func (s mesosAgentRestarted) situation(ctx context.Context) (mesosAgent, *mesosRestart, error) {
	m, err := findMesosAgent(ctx, s.sys)
	if err != nil {
		return m, nil, err
	}
	left, ok, err := s.intents.get(intentRestartMesos, "")
	if err != nil || !ok {
		return m, nil, err
	}
	var r mesosRestart
	if err := json.Unmarshal(left.Detail, &r); err != nil {
		return m, nil, fmt.Errorf("reading the intent to restart the Mesos agent: %w", err)
	}
	return m, &r, nil
}

// asked gives what the files ask of the next start.
func (s mesosAgentRestarted) asked(m mesosAgent) (isolation, checkpoint string, err error) {
	if isolation, _, err = m.flag(flagIsolation); err != nil {
		return "", "", err
	}
	checkpoint, _, err = m.flag(flagCheckpoint)
	return isolation, checkpoint, err
}

// recoveryFlags may not change over a restart: with others Mesos refuses to recover the agent (agent info, its work directory), or doesn't find its containers.
var recoveryFlags = []string{"attributes", "resources", "hostname", "port", "domain", "work_dir", "runtime_dir", "launcher", "cgroups_root", "containerizers"}

// unsafe says why a restart could cost somebody a task, or nothing.
func (s mesosAgentRestarted) unsafe(ctx context.Context, m mesosAgent, state mesosState) (string, error) {
	out, err := s.sys.Commands.Run(ctx, platform.Cmd{Path: "/bin/systemctl", Args: []string{"show", "--property=KillMode", m.unit}})
	if err != nil {
		return "", fmt.Errorf("reading the KillMode of %s: %w", m.unit, err)
	}
	if mode := strings.TrimPrefix(strings.TrimSpace(string(out.Stdout)), "KillMode="); mode != "process" {
		return fmt.Sprintf("its unit has KillMode=%s, so a restart kills every task (set KillMode=process in a drop-in of %s and daemon-reload)", mode, m.unit), nil
	}
	if lost := state.uncheckpointed(); len(lost) > 0 {
		return fmt.Sprintf("frameworks without checkpointing would lose their tasks: %s", strings.Join(lost, ", ")), nil
	}
	for _, flag := range recoveryFlags {
		next, set, err := m.flag(flag)
		if err != nil {
			return "", err
		}
		if have, known := state.Flags[flag]; set && known && !strings.HasPrefix(next, "file:") && next != have {
			return fmt.Sprintf("%s/%s has changed as well (%q, running: %q), and Mesos doesn't take an agent and its tasks back with other %s", m.folder, flag, next, have, flag), nil
		}
	}
	return "", nil
}

func (s mesosAgentRestarted) Apply(ctx context.Context) error {
	m, begun, err := s.situation(ctx)
	if err != nil {
		return err
	}
	if begun != nil && begun.Failed != "" {
		return s.rollBack(ctx, m, begun)
	}
	if begun == nil {
		state, err := askMesosAgent(ctx, s.opts.Ask, mesosAddresses(s.orders, m))
		if err != nil {
			return err
		}
		isolation, checkpoint, err := s.asked(m)
		if err != nil {
			return err
		}
		if !isolates(isolation) {
			return s.takenBack(m, isolation)
		}
		if satisfies(state.Flags, isolation, checkpoint) {
			return s.sys.Files.Remove(keptMesosConfig)
		}
		if unsafe, err := s.unsafe(ctx, m, state); err != nil { // since the look before, somebody may have started what a restart would cost
			return err
		} else if unsafe != "" {
			return fmt.Errorf("restarting the Mesos agent: not any more: %s", unsafe)
		}
		if _, held := s.Leases.Left(api.LeaseDisruption); !held {
			return errors.New("restarting the Mesos agent: the right to interrupt this node was lost")
		}
		begun = &mesosRestart{Unit: m.unit, AgentID: state.ID, Tasks: state.running()}
		if err := s.intents.put(intentRestartMesos, "", begun); err != nil {
			return err
		}
	}
	return s.finish(ctx, m, begun)
}

// finish restarts the agent unless that was done, and waits for it to be what it was.
func (s mesosAgentRestarted) finish(ctx context.Context, m mesosAgent, r *mesosRestart) error {
	isolation, checkpoint, err := s.asked(m)
	if err != nil {
		return err
	}
	urls := mesosAddresses(s.orders, m)
	state, err := askMesosAgent(ctx, s.opts.Ask, urls)
	if err == nil && !isolates(isolation) && r.missing(state) == "" { // it runs as it did; the files aren't ours any more
		return errors.Join(s.takenBack(m, isolation), s.intents.clear(intentRestartMesos, ""))
	}
	if err == nil && !satisfies(state.Flags, isolation, checkpoint) {
		if err := s.sys.Units.Restart(ctx, m.unit); err != nil && ctx.Err() != nil {
			return err
		}
	}
	last := "it doesn't answer"
	back := until(ctx, comeBackTime, func() bool {
		state, err := askMesosAgent(ctx, s.opts.Ask, urls)
		if err != nil {
			last = err.Error()
			return false
		}
		last = r.missing(state)
		if last == "" && !satisfies(state.Flags, isolation, checkpoint) {
			last = fmt.Sprintf("it still runs with %s=%q", flagIsolation, state.Flags[flagIsolation])
		}
		return last == ""
	})
	if back {
		if err := s.intents.clear(intentRestartMesos, ""); err != nil {
			return err
		}
		return s.sys.Files.Remove(keptMesosConfig)
	}
	if ctx.Err() != nil { // the brake, or our own end: the next look goes on from the intent
		return context.Cause(ctx)
	}
	r.Failed = fmt.Sprintf("at %s, restarted with the isolator, %s wasn't itself again: %s", s.sys.Clock().UTC().Format(time.RFC3339), m.unit, last)
	if err := s.intents.put(intentRestartMesos, "", r); err != nil {
		return err
	}
	return s.rollBack(ctx, m, r)
}

// takenBack: another tool owns that file too. configure-isolator writes it again, a few times an hour and then no more.
func (mesosAgentRestarted) takenBack(m mesosAgent, isolation string) error {
	return fmt.Errorf("restarting the Mesos agent: somebody else changed %s/%s to %q: nothing was restarted; have that tool write %s,%s too", m.folder, flagIsolation, isolation, isolatorLinux, isolatorVolume)
}

// missing says what isn't back yet.
func (r mesosRestart) missing(now mesosState) string {
	if now.ID != r.AgentID {
		return fmt.Sprintf("it came back as agent %s, it was %s", now.ID, r.AgentID)
	}
	running := now.running()
	var lost []string
	for _, id := range r.Tasks {
		if !slices.Contains(running, id) && !now.finished(id) {
			lost = append(lost, id)
		}
	}
	if len(lost) > 0 {
		return "tasks are missing: " + strings.Join(lost, ", ")
	}
	return ""
}

// rollBack is done when the copy of the old files is gone; a cut one is begun anew.
func (s mesosAgentRestarted) rollBack(ctx context.Context, m mesosAgent, r *mesosRestart) error {
	restored, err := m.restore()
	if err != nil {
		return err
	}
	if restored {
		if err := s.sys.Units.ResetFailed(ctx, m.unit); err != nil { // one that tried too often isn't started any more
			s.opts.Log.Warn("forgetting the failures of the Mesos agent's unit", "unit", m.unit, "err", err)
		}
		if err := s.sys.Units.Restart(ctx, m.unit); err != nil {
			return fmt.Errorf("restarting %s with its old configuration: %w", m.unit, err)
		}
		if err := s.sys.Files.Remove(keptMesosConfig); err != nil {
			return err
		}
	}
	return nil // the next look blocks, with the reason
}

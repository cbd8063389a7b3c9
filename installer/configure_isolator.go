package installer

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"

	"scaleio-framework/installer/step"
)

// isolatorConfigured is the fact that the Mesos agent's files ask for the built-in docker/volume isolator, beside all that they asked for before.
type isolatorConfigured struct{ *orders }

func configureIsolator(o *orders) step.Step { return isolatorConfigured{o} }

func (isolatorConfigured) Name() string { return "configure-isolator" }

func (s isolatorConfigured) Check(ctx context.Context) (step.Finding, error) {
	m, err := findMesosAgent(ctx, s.sys)
	if err != nil {
		return step.Finding{}, err
	}
	switch {
	case m.unit == "":
		return step.OK("no Mesos agent unit here"), nil
	case m.unit == unitDCOSMesos:
		return s.checkDCOS(ctx)
	case m.folder == "":
		return step.Block("NoConfigFolder", "%s is here, and none of %v: start it with --isolation that contains %s,%s and --%s=%s, then restart it",
			m.unit, mesosFolders[m.unit], isolatorLinux, isolatorVolume, flagCheckpoint, checkpointDir), nil
	}
	if undone, err := s.rolledBack(); err != nil || undone != nil {
		return orElse(undone), err
	}
	changes, reason, err := m.changes(s.running(ctx, m))
	switch {
	case err != nil:
		return step.Finding{}, err
	case reason != "":
		return step.Block("IsolatorConflict", "%s/%s: %s", m.folder, flagIsolation, reason), nil
	case len(changes) > 0:
		return step.Need("OtherFlags", "%s/%s is %q, wanted %q", m.folder, changes[0].flag, changes[0].from, changes[0].to), nil
	}
	return step.OK("%s asks for %s and %s", m.folder, isolatorLinux, isolatorVolume), nil
}

// rolledBack says so if the Mesos agent didn't come back with this configuration: writing it again would only repeat that.
func (s isolatorConfigured) rolledBack() (*step.Finding, error) {
	left, ok, err := s.intents.get(intentRestartMesos, "")
	if err != nil || !ok {
		return nil, err
	}
	var r mesosRestart
	if err := json.Unmarshal(left.Detail, &r); err != nil {
		return nil, fmt.Errorf("reading the intent to restart the Mesos agent: %w", err)
	}
	if r.Failed == "" || exists(s.sys.Files, keptMesosConfig) { // restart-mesos-agent has the word
		f := step.OK("a restart of the Mesos agent is under way")
		return &f, nil
	}
	f := r.blocked()
	return &f, nil
}

// checkDCOS looks at the running agent only: DC/OS owns its files, and its own default has both isolators.
func (s isolatorConfigured) checkDCOS(ctx context.Context) (step.Finding, error) {
	state, err := askMesosAgent(ctx, s.opts.Ask, mesosAddresses(s.orders, mesosAgent{files: s.sys.Files}))
	if err != nil {
		return step.Finding{}, err
	}
	if satisfies(state.Flags, isolatorLinux+","+isolatorVolume, state.Flags[flagCheckpoint]) {
		return step.OK("DC/OS' agent runs with %s and %s", isolatorLinux, isolatorVolume), nil
	}
	return step.Block("UnsafeRestart", "DC/OS' agent runs with isolation %q: add %s,%s to %s and restart %s", state.Flags[flagIsolation], isolatorLinux, isolatorVolume, dcosMesosFlags, unitDCOSMesos), nil
}

func (s isolatorConfigured) running(ctx context.Context, m mesosAgent) func() (map[string]string, error) {
	return func() (map[string]string, error) {
		state, err := askMesosAgent(ctx, s.opts.Ask, mesosAddresses(s.orders, m))
		return state.Flags, err
	}
}

func (s isolatorConfigured) Apply(ctx context.Context) error {
	m, err := findMesosAgent(ctx, s.sys)
	if err != nil {
		return err
	}
	changes, reason, err := m.changes(s.running(ctx, m))
	if err != nil {
		return err
	}
	if m.folder == "" || reason != "" {
		return fmt.Errorf("configuring the isolator of %q: %s", m.unit, reason)
	}
	if err := m.keep(flagIsolation, flagCheckpoint); err != nil {
		return err
	}
	for _, c := range changes {
		file := path.Join(m.folder, c.flag)
		mode := defaultFlagMode
		if c.set {
			have, _, err := s.sys.Files.Stat(file)
			if err != nil {
				return err
			}
			mode = have.Perm()
		}
		if err := s.sys.Files.Write(file, []byte(c.to+"\n"), mode); err != nil {
			return err
		}
	}
	return nil
}

// defaultFlagMode: a Mesos agent that doesn't run as root reads its flags too.
const defaultFlagMode os.FileMode = 0o644

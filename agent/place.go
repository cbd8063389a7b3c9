package agent

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"strings"
	"time"

	"scaleio-framework/installer"
	"scaleio-framework/scheduler/api"
)

// ErrRefused is a refusal for safety (exit status 4): nothing was touched.
var ErrRefused = errors.New("refused for safety")

// A Placement is what the Mesos task brings to a node.
type Placement struct {
	Config Config
	CA     string
	Token  api.Secret
	SHA256 string // of the binary that runs: checked before it is installed
	Binary string // path of it
	Unit   []byte // the unit file that this version ships
}

// PlacementFrom reads the task's environment; all faults at once.
func PlacementFrom(env func(string) string, binary string, unit []byte) (Placement, error) {
	p := Placement{CA: env(api.EnvCA), Token: api.NewSecret(env(api.EnvToken)), SHA256: env(api.EnvSHA256), Binary: binary, Unit: unit}
	p.Config.Cluster = env(api.EnvCluster)
	for _, s := range strings.Split(env(api.EnvServers), ",") {
		if s = strings.TrimSpace(s); s != "" {
			p.Config.Servers = append(p.Config.Servers, s)
		}
	}
	var missing []error
	for name, value := range map[string]string{api.EnvCluster: p.Config.Cluster, api.EnvServers: env(api.EnvServers), api.EnvCA: p.CA, api.EnvToken: p.Token.Reveal(), api.EnvSHA256: p.SHA256} {
		if value == "" {
			missing = append(missing, fmt.Errorf("%s is not set: `place` is started by the scheduler's Mesos task", name))
		}
	}
	return p, errors.Join(missing...)
}

// A Placer puts the daemon under PID 1, where neither the end of the Mesos container nor a restart of the Mesos agent reaches it.
type Placer struct {
	Files installer.Files
	Units installer.Units
	Log   *slog.Logger
	Read  func(path string) (io.ReadCloser, error)    // of the binary
	Label func(ctx context.Context, dir string) error // as SELinux wants it; nil = it doesn't look here
}

// Place installs binary, configuration and unit, and starts the unit, or adopts the one that is there. It never makes a second.
func (p *Placer) Place(ctx context.Context, want Placement) error {
	if err := p.belongs(want); err != nil {
		return err
	}
	if ours, err := p.leavesToItself(ctx, want); err != nil || ours {
		return err
	}
	dir, err := p.installBinary(want)
	if err != nil {
		return err
	}
	if p.Label != nil {
		if err := p.Label(ctx, path.Join(InstallDir, "bin")); err != nil { // should it matter, starting the unit tells
			p.Log.Warn("labelling the binary: SELinux may keep systemd from starting it", "err", err)
		}
	}
	state, err := p.Units.State(ctx, Unit)
	if err != nil {
		return fmt.Errorf("asking systemd about %s: %w", Unit, err)
	}
	if state.Load == "masked" {
		return fmt.Errorf("%w: %s is masked on this node: `systemctl unmask %s` to let the agent run", ErrRefused, Unit, Unit)
	}
	changed, err := p.configure(want, dir)
	if err != nil {
		return err
	}
	p.linkCommand()
	if err := p.Units.Reload(ctx); err != nil {
		return fmt.Errorf("reloading systemd: %w", err)
	}
	if err := p.Units.Enable(ctx, Unit); err != nil {
		return fmt.Errorf("enabling %s: %w", Unit, err)
	}
	switch {
	case state.Active != "active" && state.Active != "activating":
		p.Log.Info("starting", "unit", Unit)
		if err := p.Units.ResetFailed(ctx, Unit); err != nil {
			p.Log.Debug("nothing to reset", "err", err)
		}
		err = p.Units.Start(ctx, Unit)
	case changed:
		p.Log.Info("restarting with what the task brought", "unit", Unit)
		err = p.Units.Restart(ctx, Unit)
	default:
		p.Log.Info("adopting the running unit", "unit", Unit)
	}
	if err != nil {
		return fmt.Errorf("starting %s: %w", Unit, err)
	}
	return nil
}

// belongs refuses a node that another cluster configured, or whose orders it followed. A configuration that names no cluster yet was left by Ignition
// for us to fill in.
func (p *Placer) belongs(want Placement) error {
	have, err := configured(p.Files)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if !have.empty() && have.Cluster != want.Config.Cluster {
		return fmt.Errorf("%w: this node belongs to cluster %s (%s), not to %s", ErrRefused, have.Cluster, ConfigFile, want.Config.Cluster)
	}
	kept, err := recall(p.Files)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if kept.Spec != nil && kept.Spec.Version.Cluster != want.Config.Cluster {
		return fmt.Errorf("%w: this node follows cluster %s (%s), not %s", ErrRefused, kept.Spec.Version.Cluster, stateFile, want.Config.Cluster)
	}
	return nil
}

// installBinary copies the running binary (never moves it: a moved file keeps its SELinux label and systemd may not execute it) to a folder named by its digest.
func (p *Placer) installBinary(want Placement) (string, error) {
	in, err := p.Read(want.Binary)
	if err != nil {
		return "", fmt.Errorf("reading the agent's binary: %w", err)
	}
	defer in.Close()
	data, err := io.ReadAll(in)
	if err != nil {
		return "", fmt.Errorf("reading the agent's binary: %w", err)
	}
	sum := sha256.Sum256(data)
	if digest := hex.EncodeToString(sum[:]); digest != want.SHA256 {
		return "", fmt.Errorf("%w: the binary's SHA-256 is %s, the scheduler announced %s: check what its agent-url serves", ErrRefused, digest, want.SHA256)
	}
	dir := path.Join(InstallDir, "bin", want.SHA256)
	target := path.Join(dir, "scaleio-agent")
	if digest, _, err := p.Files.Digest(target); err == nil && digest == want.SHA256 {
		return dir, nil
	}
	if err := p.Files.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return dir, p.Files.Write(target, data, 0o755)
}

// leavesToItself: an agent that replaces itself is neither replaced nor put back by a task: that goes by the scheduler's waves, and by its own judgement. It gets
// what the task brings beside the binary.
func (p *Placer) leavesToItself(ctx context.Context, want Placement) (bool, error) {
	rec, ok, err := recallReplacement(p.Files)
	if err != nil { // whatever it was, its own timer ends it
		p.Log.Warn("what a replacement of the agent left can't be read", "err", err)
	}
	state, err := p.Units.State(ctx, Unit)
	if err != nil {
		return false, fmt.Errorf("asking systemd about %s: %w", Unit, err)
	}
	running := ""
	if data, err := p.Files.Read(runningFile); err == nil && (state.Active == "active" || state.Active == "activating") {
		running = strings.TrimSpace(string(data))
	}
	if proving := ok && rec.proving(); !proving && (running == "" || running == want.SHA256) {
		return false, nil
	}
	p.Log.Info("leaving the agent that is here to its own way of replacing itself", "sha256", running, "brought", want.SHA256)
	if err := p.Files.MkdirAll(ConfigDir, 0o755); err != nil {
		return true, err
	}
	_, err = p.writeConfig(want, false)
	return true, err
}

// configure writes what differs and says whether the daemon has to be started anew for it.
func (p *Placer) configure(want Placement, dir string) (changed bool, err error) {
	if err := p.Files.MkdirAll(ConfigDir, 0o755); err != nil {
		return false, err
	}
	if changed, err = p.writeConfig(want, true); err != nil {
		return changed, err
	}
	link := path.Join(InstallDir, "current")
	if have, err := p.Files.Readlink(link); err == nil && have == dir {
		return changed, nil
	}
	return true, p.Files.Symlink(dir, link)
}

// writeConfig writes what the task brings beside the binary, and the unit if that is the task's to bring.
func (p *Placer) writeConfig(want Placement, unit bool) (changed bool, err error) {
	if have, err := configured(p.Files); err == nil { // an operator's settings of this machine: no task brings them
		want.Config.MetadataEndpoint = cmp.Or(want.Config.MetadataEndpoint, have.MetadataEndpoint)
		want.Config.EBSModel = cmp.Or(want.Config.EBSModel, have.EBSModel)
	}
	config, err := want.Config.Marshal()
	if err != nil {
		return false, err
	}
	files := []struct {
		path string
		data []byte
		mode os.FileMode
	}{{CAFile, []byte(want.CA), 0o644}, {ConfigFile, config, 0o644}, {UnitFile, want.Unit, 0o644}}
	for _, f := range files {
		if have, err := p.Files.Read(f.path); err == nil && bytes.Equal(have, f.data) || f.path == UnitFile && !unit {
			continue
		}
		if err := p.Files.Write(f.path, f.data, f.mode); err != nil {
			return false, err
		}
		changed = changed || f.path == UnitFile // the daemon reads the others again before it connects
	}
	// Also where it has joined: its certificate may have expired, or its identity been released. It uses the token only then, without a restart.
	return changed, p.Files.Write(TokenFile, []byte(want.Token.Reveal()+"\n"), 0o600)
}

// proving: another agent took this one's place and has yet to show that it can. If it can't, its unit may be down until the old one is back.
func (p *Placer) proving() bool {
	rec, ok, err := recallReplacement(p.Files)
	return err == nil && ok && rec.proving()
}

// How often the task looks at the unit: mirrorCalm while the daemon runs and its node is Ready, since each look costs both of them more than all else that they do at rest.
const (
	mirrorEvery = 2 * time.Second
	mirrorCalm  = 10 * time.Second
)

// goneLimit is how long the unit may be down before the task says so by failing: restarts of the daemon take less.
const goneLimit = time.Minute

// Mirror stays in the foreground and shows the unit's health as the task's own. It ends with nil when ctx ends (a killed task never stops storage) and with
// an error when the unit is down for good.
func (p *Placer) Mirror(ctx context.Context, ready func(context.Context) (bool, string)) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var downSince time.Time
	shown := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		state, err := p.Units.State(ctx, Unit)
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case err == nil && (state.Active == "active" || state.Active == "activating" || state.Active == "reloading"), p.proving():
			downSince = time.Time{}
		case downSince.IsZero():
			downSince = time.Now()
			p.Log.Warn("the unit is not active", "unit", Unit, "state", state.Active, "result", state.Result, "err", err)
		case time.Since(downSince) > goneLimit:
			return fmt.Errorf("%s has been %s (%s) for %s: see `journalctl -u %s` on this node", Unit, state.Active, state.Result, goneLimit, Unit)
		}
		ok, why := ready(ctx)
		if now := fmt.Sprint(ok, why); now != shown {
			shown = now
			p.Log.Info("node", "ready", ok, "why", why)
		}
		if ok && downSince.IsZero() {
			timer.Reset(mirrorCalm)
		} else {
			timer.Reset(mirrorEvery)
		}
	}
}

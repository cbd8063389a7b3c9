package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path"
	"time"

	"scaleio-framework/installer"
	"scaleio-framework/platform"
	"scaleio-framework/platform/fetch"
	"scaleio-framework/scheduler/api"
)

// A Replacer puts another agent in the place of the one that runs, and takes it back. Neither scheduler nor Mesos is needed for the latter.
type Replacer struct {
	Files    installer.Files
	Units    installer.Units
	Download installer.Download
	Commands installer.Commands
	Client   *http.Client                                // for the download; nil = a plain one
	Chmod    func(path string, mode os.FileMode) error   // of what was downloaded
	Label    func(ctx context.Context, dir string) error // as SELinux wants it; nil = it doesn't look here
	SHA256   string                                      // of the agent that runs
	Unit     string                                      // the unit file that it brings
	Log      *slog.Logger
}

// Bounds of the parts of a replacement.
const (
	fetchBinaryLimit = 10 * time.Minute
	askUnitLimit     = 20 * time.Second
	maxUnitBytes     = 64 << 10
)

// fetch the agent and ask it for its unit file: one that can't even tell that isn't put in anybody's place.
func (r *Replacer) fetch(ctx context.Context, want api.AgentBinary) (unit string, err error) {
	if !isDigest(want.SHA256) {
		return "", fmt.Errorf("replacing the agent: %q is no SHA-256", want.SHA256)
	}
	dir, file := binaryDir(want.SHA256), binaryOf(want.SHA256)
	if err := r.Files.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	fetching, cancel := context.WithTimeout(ctx, fetchBinaryLimit)
	defer cancel()
	if err := r.Download.Fetch(fetching, fetch.File{URL: want.URL, Path: file, SHA256: want.SHA256, Client: r.Client}); err != nil {
		return "", fmt.Errorf("fetching the new agent: %w", err)
	}
	if err := r.Chmod(file, 0o755); err != nil {
		return "", err
	}
	if r.Label != nil {
		if err := r.Label(ctx, path.Dir(dir)); err != nil { // should it matter, the next lines tell
			r.Log.Warn("labelling the new agent", "err", err)
		}
	}
	asking, cancel := context.WithTimeout(ctx, askUnitLimit)
	defer cancel()
	said, err := r.Commands.Run(asking, platform.Cmd{Path: file, Args: []string{"unit"}})
	if err != nil {
		return "", fmt.Errorf("asking the new agent for its unit file: %w", err)
	}
	if len(said.Stdout) > maxUnitBytes || !bytes.Contains(said.Stdout, []byte("ExecStart="+InstallDir+"/current/scaleio-agent ")) {
		return "", errors.New("asking the new agent for its unit file: what it says is none")
	}
	return string(said.Stdout), nil
}

// change over to another agent, whose start follows. Cut anywhere, it is done again from the start by whoever runs then; what was armed brings the old one back.
func (r *Replacer) change(ctx context.Context, rec replacement, unit string, within time.Duration) error {
	if err := rec.save(r.Files); err != nil {
		return err
	}
	if err := r.arm(ctx, rec.From, within); err != nil {
		return err
	}
	if err := r.writeUnit(ctx, unit); err != nil {
		return err
	}
	return r.Files.Symlink(binaryDir(rec.To), path.Join(InstallDir, "current"))
}

func (r *Replacer) writeUnit(ctx context.Context, text string) error {
	if have, err := r.Files.Read(UnitFile); err == nil && string(have) == text {
		return nil
	}
	if err := r.Files.Write(UnitFile, []byte(text), 0o644); err != nil {
		return err
	}
	return r.Units.Reload(ctx)
}

// arm what brings the old agent back. A timer that runs already begins anew.
func (r *Replacer) arm(ctx context.Context, from string, within time.Duration) error {
	for name, text := range rollbackUnits(from, within) {
		if err := r.Files.Write(unitDir+name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := r.Units.Reload(ctx); err != nil {
		return fmt.Errorf("arming the way back to this agent: %w", err)
	}
	if err := r.Units.Enable(ctx, rollbackTimer); err != nil {
		return fmt.Errorf("arming the way back to this agent: %w", err)
	}
	if err := r.Units.Restart(ctx, rollbackTimer); err != nil {
		return fmt.Errorf("arming the way back to this agent: %w", err)
	}
	return nil
}

// disarm it, if it is there.
func (r *Replacer) disarm(ctx context.Context) error {
	there := false
	for _, file := range []string{unitDir + rollbackTimer, unitDir + rollbackService, timerWanted} {
		if _, _, err := r.Files.Stat(file); !errors.Is(err, platform.ErrNotFound) {
			there = true
		}
	}
	if !there {
		return nil
	}
	if err := r.Units.Stop(ctx, rollbackTimer); err != nil {
		return fmt.Errorf("disarming the way back to the former agent: %w", err)
	}
	for _, file := range []string{timerWanted, unitDir + rollbackService, unitDir + rollbackTimer} {
		if err := r.Files.Remove(file); err != nil {
			return err
		}
	}
	return r.Units.Reload(ctx)
}

// proved: the new agent keeps its place.
func (r *Replacer) proved(ctx context.Context, rec replacement) error {
	if err := r.Files.Remove(replacementFile); err != nil {
		return err
	}
	r.tidy(rec.From)
	return r.disarm(ctx)
}

// tidy up: of agents that were here before, the last one stays.
func (r *Replacer) tidy(keep string) {
	dirs, err := r.Files.Glob(path.Join(InstallDir, "bin", "*"))
	for _, dir := range dirs {
		if name := path.Base(dir); err == nil && name != keep && name != r.SHA256 && isDigest(name) {
			for _, file := range []string{binaryOf(name), dir} {
				err = errors.Join(err, r.Files.Remove(file))
			}
		}
	}
	if err != nil {
		r.Log.Info("a former agent's file stays", "err", err)
	}
}

// A Look at the agent that is to be gone back from: what it lacks, and by its own word what holds the node that a person must release. One that doesn't answer says neither.
type Look func(ctx context.Context) (why, held string)

// GoBack to the agent that this one is, if another one took its place and didn't show its node Ready meanwhile. It is looked at before anything is stopped. Under a hold nothing
// is changed: the time begins anew when that ends.
func (r *Replacer) GoBack(ctx context.Context, look Look) error {
	rec, ok := r.whatToUndo()
	if !ok || rec.From != r.SHA256 {
		return r.disarm(ctx)
	}
	if rec.proving() { // what was begun goes to its end: there may be no agent now, and so nobody to hear of a release
		waited, err := r.awaitRelease(ctx, look)
		if err != nil {
			return err
		}
		if waited {
			if _, still := r.whatToUndo(); !still {
				return r.disarm(ctx)
			}
			return r.Units.Restart(ctx, rollbackTimer)
		}
	}
	before, err := r.Units.State(ctx, Unit)
	if err != nil {
		return err
	}
	if rec.proving() {
		text, _ := look(ctx)
		if err := r.Units.Stop(ctx, Unit); err != nil { // so that it can't be proved while we decide
			return fmt.Errorf("stopping the new agent: %w", err)
		}
		if rec, ok = r.whatToUndo(); ok {
			rec.Back = text
			if err := rec.save(r.Files); err != nil {
				return err
			}
		}
	}
	if ok {
		r.Log.Warn("going back to this agent", "sha256", r.SHA256, "from", rec.To, "reason", rec.Back)
		if err := r.restore(ctx); err != nil {
			return err
		}
	}
	if before.Load != "masked" { // a person's word against ours
		if err := r.Units.ResetFailed(ctx, Unit); err != nil {
			return err
		}
		if err := r.Units.Restart(ctx, Unit); err != nil {
			return fmt.Errorf("starting the agent: %w", err)
		}
	}
	return r.disarm(ctx)
}

// releaseLook is how often a hold is looked at that the way back waits for.
const releaseLook = time.Second

// awaitRelease of what holds this node: its file, or a person's hold at the scheduler, of which the new agent tells. One that doesn't answer can't hear of a release either, so the scheduler's
// doesn't keep it in its place: the agent that comes back has that hold too.
func (r *Replacer) awaitRelease(ctx context.Context, look Look) (waited bool, err error) {
	here := &brake{files: r.Files, now: time.Now}
	tick := time.NewTicker(releaseLook)
	defer tick.Stop()
	for {
		reason, held := here.heldHere()
		if !held {
			_, reason = look(ctx)
		}
		if reason == "" {
			return waited, nil
		}
		if _, still := r.whatToUndo(); !still {
			return true, nil
		}
		if !waited {
			r.Log.Warn("the way back to this agent waits: the node is held", "reason", reason)
		}
		waited = true
		select {
		case <-ctx.Done():
			return waited, ctx.Err()
		case <-tick.C:
		}
	}
}

// whatToUndo by the record; by what is in our place where that can't be read: the timer that calls us runs only while it is open whether the other one stays.
func (r *Replacer) whatToUndo() (replacement, bool) {
	rec, ok, err := recallReplacement(r.Files)
	if err == nil {
		return rec, ok
	}
	r.Log.Error("going by what is in this agent's place", "err", err)
	link, err := r.Files.Readlink(path.Join(InstallDir, "current"))
	to := path.Base(link)
	return replacement{From: r.SHA256, To: to, Since: time.Now().UTC()}, err == nil && isDigest(to) && to != r.SHA256
}

// abandon a change that was begun and cut off before the other agent ever ran: it begins anew, if it is still wanted.
func (r *Replacer) abandon(ctx context.Context) error {
	if err := r.restore(ctx); err != nil {
		return err
	}
	if err := r.Files.Remove(replacementFile); err != nil {
		return err
	}
	return r.disarm(ctx)
}

// restore this agent's own file and unit.
func (r *Replacer) restore(ctx context.Context) error {
	if err := r.writeUnit(ctx, r.Unit); err != nil {
		return err
	}
	return r.Files.Symlink(binaryDir(r.SHA256), path.Join(InstallDir, "current"))
}

package installer

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"time"

	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// Kinds of intents: acts that can't be made safe to repeat by looking alone.
const (
	intentFormCluster  = "form-cluster"
	intentHandOverDisk = "hand-over-disk"
	intentRestartMesos = "restart-mesos-agent"
	intentReboot       = "reboot"
	intentUpgrade      = "upgrade"
	intentTakeOff      = "take-off-volume"
)

// An intent is written before such an act and cleared when its effect was seen. One that is left over blocks, with a reason that a person can act on.
type intent struct {
	api.Intent
	BootID string          `json:"bootId"`
	Detail json.RawMessage `json:"detail,omitempty"`
}

// older says whether it was noted longer ago than that, or by a clock that was ahead of this one by more: how long ago that was isn't known, and nothing waits until the time
// which that clock showed.
func (i intent) older(than time.Duration, now time.Time) bool { return now.Sub(i.Since).Abs() > than }

// intents are small files, one each, written atomically.
type intents struct {
	files  Files
	now    func() time.Time
	bootID string
}

func intentFile(kind, subject string) string {
	sum := sha256.Sum256([]byte(subject))
	return path.Join(intentDir, fmt.Sprintf("%s-%x.json", kind, sum[:6]))
}

// put writes or replaces the intent; it keeps since when there is one.
func (i intents) put(kind, subject string, detail any) error {
	record := intent{Intent: api.Intent{Kind: kind, Subject: subject, Since: i.now().UTC().Round(0)}, BootID: i.bootID}
	if old, ok, err := i.get(kind, subject); err == nil && ok {
		record.Since = old.Since
	}
	if detail != nil {
		raw, err := json.Marshal(detail)
		if err != nil {
			return fmt.Errorf("writing intent %s: %w", kind, err)
		}
		record.Detail = raw
	}
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("writing intent %s: %w", kind, err)
	}
	if err := i.files.MkdirAll(intentDir, 0o700); err != nil {
		return fmt.Errorf("writing intent %s: %w", kind, err)
	}
	if err := i.files.Write(intentFile(kind, subject), data, 0o600); err != nil {
		return fmt.Errorf("writing intent %s: %w", kind, err)
	}
	return nil
}

func (i intents) get(kind, subject string) (intent, bool, error) {
	return i.read(intentFile(kind, subject))
}

func (i intents) clear(kind, subject string) error {
	if err := i.files.Remove(intentFile(kind, subject)); err != nil {
		return fmt.Errorf("clearing intent %s: %w", kind, err)
	}
	return nil
}

// all intents of a kind, "" = of any.
func (i intents) all(kind string) ([]intent, error) {
	names, err := i.files.Glob(path.Join(intentDir, kind+"*.json"))
	if err != nil {
		return nil, fmt.Errorf("listing intents: %w", err)
	}
	var found []intent
	for _, name := range names {
		record, ok, err := i.read(name)
		if err != nil {
			return nil, err
		}
		if ok && (kind == "" || record.Kind == kind) {
			found = append(found, record)
		}
	}
	return found, nil
}

// Intents that lie on a node now.
func Intents(files Files) (all []api.Intent, err error) {
	left, err := intents{files: files}.all("")
	for _, l := range left {
		all = append(all, l.Intent)
	}
	return all, err
}

func (i intents) read(name string) (intent, bool, error) {
	data, err := i.files.Read(name)
	if errors.Is(err, platform.ErrNotFound) {
		return intent{}, false, nil
	} else if err != nil {
		return intent{}, false, fmt.Errorf("reading intent: %w", err)
	}
	var record intent
	if err := json.Unmarshal(data, &record); err != nil {
		return intent{}, false, fmt.Errorf("reading intent %s: %w; look what it was about and remove it", name, err)
	}
	return record, true, nil
}

package mdm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"scaleio-framework/test/scaleio/mgmt"
)

// A Stamp orders what successive masters recorded: a later term's always counts as newer, whatever an earlier master wrote alone.
type Stamp struct {
	Term int64 `json:"term"`
	N    int64 `json:"n"`
}

func (s Stamp) before(t Stamp) bool { return s.Term < t.Term || s.Term == t.Term && s.N < t.N }

func (s Stamp) next(term int64) Stamp {
	if s.Term != term {
		return Stamp{Term: term, N: 1}
	}
	return Stamp{Term: term, N: s.N + 1}
}

// Config is who belongs to the cluster. It lives with every member, standbys too; the newest version wins.
type Config struct {
	Version    Stamp         `json:"version"`
	SystemID   string        `json:"systemId"`
	SystemName string        `json:"systemName,omitempty"`
	Nodes      int           `json:"nodes"`
	VirtualIPs []string      `json:"virtualIps,omitempty"`
	Members    []mgmt.Member `json:"members"`
}

// Replicas records which managers hold every acknowledged change. A majority must have stored it before the master relies on it.
type Replicas struct {
	Gen    Stamp    `json:"gen"`
	InSync []string `json:"inSync"`
}

// Voter is what a member must remember over a crash to keep its promises.
type Voter struct {
	Self     string   `json:"self"` // member id
	Term     int64    `json:"term"`
	VotedFor string   `json:"votedFor,omitempty"`
	Replicas Replicas `json:"replicas"`
	Config   Config   `json:"config"`
}

// repository is the MDM's directory: voter.json and, on managers, state.json.
type repository struct{ dir string }

func (r repository) voterFile() string { return filepath.Join(r.dir, "voter.json") }
func (r repository) stateFile() string { return filepath.Join(r.dir, "state.json") }

func (r repository) loadVoter() (*Voter, error) {
	raw, err := os.ReadFile(r.voterFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading voter: %w", err)
	}
	voter := &Voter{}
	if err := json.Unmarshal(raw, voter); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", r.voterFile(), err)
	}
	return voter, nil
}

func (r repository) saveVoter(v *Voter) error {
	raw, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return fmt.Errorf("encoding voter: %w", err)
	}
	return replaceFile(r.voterFile(), raw)
}

func (r repository) loadState() ([]byte, error) {
	raw, err := os.ReadFile(r.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return raw, err
}

func (r repository) saveState(raw []byte) error { return replaceFile(r.stateFile(), raw) }

func (r repository) clear() error {
	return errors.Join(removeIfThere(r.voterFile()), removeIfThere(r.stateFile()), syncDir(r.dir))
}

func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// replaceFile is durable when it returns: file, then name.
func replaceFile(name string, content []byte) error {
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	temp, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(content)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), name)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing %s: %w", dir, err)
	}
	return errors.Join(d.Sync(), d.Close())
}

package sds

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// state is what an SDS must remember across restarts: whose it is, its devices, and the newest generation it has seen of each volume
// (the fence: an SDC with an older map must never write again).
type state struct {
	Schema      int               `json:"schema"`
	System      string            `json:"system,omitempty"`
	SDS         string            `json:"sds,omitempty"`
	Name        string            `json:"name,omitempty"`
	Devices     map[string]member `json:"devices"` // by device id
	Generations map[string]int64  `json:"generations"`
}

// member is a device that belongs to this SDS, found or not.
type member struct {
	Path      string `json:"path"` // where it was last seen
	SizeBytes int64  `json:"sizeBytes"`
}

const stateSchema = 1

func newState() state {
	return state{Schema: stateSchema, Devices: map[string]member{}, Generations: map[string]int64{}}
}

func statePath(dir string) string { return filepath.Join(dir, "sds.json") }

// loadState refuses a state that it can't read: starting fresh would forget the fence.
func loadState(dir string) (state, error) {
	s := newState()
	data, err := os.ReadFile(statePath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("reading sds state: %w", err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("reading sds state %s: %w", statePath(dir), err)
	}
	if s.Schema != stateSchema {
		return s, fmt.Errorf("reading sds state %s: schema %d is unknown, this version knows %d", statePath(dir), s.Schema, stateSchema)
	}
	return s, nil
}

func (s state) clone() state {
	s.Devices, s.Generations = maps.Clone(s.Devices), maps.Clone(s.Generations)
	return s
}

func (s state) save(dir string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding sds state: %w", err)
	}
	if err := renameio.WriteFile(statePath(dir), data, 0o600); err != nil {
		return fmt.Errorf("writing sds state: %w", err)
	}
	return nil
}

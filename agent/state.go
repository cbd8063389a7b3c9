package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/google/uuid"

	"scaleio-framework/installer"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// remembered is what the agent can't observe again: who it is, and the last orders it accepted. Never a secret.
type remembered struct {
	Schema    int            `json:"schema"`
	AgentUUID string         `json:"agentUuid"`
	Node      string         `json:"node,omitempty"` // whose all this is: the identity with which it began, for good
	Spec      *api.NodeSpec  `json:"spec,omitempty"`
	Servers   []string       `json:"servers,omitempty"` // where schedulers were found last
	Mesos     *api.MesosHint `json:"mesos,omitempty"`   // who knows where one is, when none is there
	Trust     *trusted       `json:"trust,omitempty"`   // CAs that the scheduler sent, instead of those that the configuration names
	Hold      *api.Hold      `json:"hold,omitempty"`    // the scheduler's brake survives our restart and its absence
	Bare      bool           `json:"bare,omitempty"`    // the order to take everything away was followed to its end: what comes to be here later is somebody else's
}

const (
	stateFile   = StateDir + "/state.json"
	stateSchema = 1
)

// remember loads the state, or mints an identity on a machine that has none. A file that is newer or damaged is refused: an agent that
// forgot its orders must not act as a new one. What was another node's is let go: a copy of that machine has neither its roles nor its key, and joins on its own.
func remember(files installer.Files, node string, log *slog.Logger) (remembered, error) {
	st, err := recall(files)
	if err != nil {
		return st, err
	}
	if whose := st.whose(); whose != "" && whose != node {
		log.Warn("this machine is a copy: key and orders of the other one are let go", "node", node, "copy-of", whose)
		for _, file := range []string{certFile, keyFile, stateFile} { // the last tells of it, so it goes last
			if err := files.Remove(file); err != nil {
				return remembered{}, fmt.Errorf("letting go what is node %s's: %w", whose, err)
			}
		}
		st = remembered{}
	}
	if st.AgentUUID != "" {
		return st, nil
	}
	st = remembered{Schema: stateSchema, AgentUUID: uuid.NewString(), Node: node}
	return st, st.save(files)
}

// whose node's it is; "" = of whoever finds it.
func (st remembered) whose() string {
	if st.Node == "" && st.Spec != nil {
		return st.Spec.Node
	}
	return st.Node
}

// recall only reads; a machine that has no state gives none.
func recall(files installer.Files) (remembered, error) {
	data, err := files.Read(stateFile)
	if errors.Is(err, platform.ErrNotFound) {
		return remembered{}, nil
	}
	if err != nil {
		return remembered{}, err
	}
	var st remembered
	if err := json.Unmarshal(data, &st); err != nil {
		return st, fmt.Errorf("reading %s: damaged (%w): restore it, or remove it to join anew under another agent UUID", stateFile, err)
	}
	if st.Schema > stateSchema || st.AgentUUID == "" {
		return st, fmt.Errorf("reading %s: schema %d is newer than this agent's %d: install the agent that wrote it", stateFile, st.Schema, stateSchema)
	}
	return st, nil
}

func (st remembered) save(files installer.Files) error {
	if st.Spec != nil { // rights of the moment, not to be found again after a restart
		lasting := *st.Spec
		lasting.Cluster, lasting.Formation = nil, nil
		st.Spec = &lasting
	}
	data, err := json.MarshalIndent(st, "", "  ")
	if err != nil {
		return err
	}
	if err := files.MkdirAll(StateDir, 0o700); err != nil {
		return err
	}
	return files.Write(stateFile, append(data, '\n'), 0o600)
}

// accept says why a spec must not be followed: an older one, another cluster's, another node's.
func (st remembered) accept(spec api.NodeSpec, node string) error {
	switch {
	case spec.Node != node:
		return fmt.Errorf("refusing a spec made for node %q: this is %q", spec.Node, node)
	case st.Spec == nil:
		return nil
	case st.Spec.Version.Cluster != spec.Version.Cluster:
		return fmt.Errorf("refusing a spec of cluster %s: this node belongs to %s", spec.Version.Cluster, st.Spec.Version.Cluster)
	case spec.Version.Before(st.Spec.Version):
		return fmt.Errorf("refusing an older spec (epoch %d generation %d): epoch %d generation %d is known",
			spec.Version.Epoch, spec.Version.Generation, st.Spec.Version.Epoch, st.Spec.Version.Generation)
	}
	return nil
}

// recalledLocked is what this node tells a scheduler that lost its store.
func (a *Agent) recalledLocked() *api.Recalled {
	r := &api.Recalled{Hold: a.kept.Hold}
	if a.kept.Spec != nil {
		spec := *a.kept.Spec
		spec.Packages, spec.Modules, spec.Cluster = nil, nil, nil // the operator's manifest has them
		r.Spec = &spec
	}
	return r
}

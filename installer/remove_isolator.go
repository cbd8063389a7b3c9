package installer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
)

// isolatorRemoved is the fact that the Mesos agent's flags are what they were before ours. It isn't restarted for that: the isolator does no harm until the next
// restart, whenever that suits.
type isolatorRemoved struct{ *orders }

func removeIsolator(o *orders) step.Step { return isolatorRemoved{o} }

func (isolatorRemoved) Name() string { return "remove-isolator" }

// firstMesosConfig is how the flags were before the agent changed them for the first time. It is kept as long as they are ours.
const firstMesosConfig = stateDir + "/mesos-agent-first.json"

// flags that we wrote and nobody changed since, with what they were.
func (s isolatorRemoved) ours() (kept []keptFile, err error) {
	data, err := s.sys.Files.Read(firstMesosConfig)
	if errors.Is(err, platform.ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	var first []keptFile
	if err := json.Unmarshal(data, &first); err != nil {
		return nil, fmt.Errorf("reading %s: %w", firstMesosConfig, err)
	}
	for _, k := range first {
		now, err := s.sys.Files.Read(k.Path)
		if errors.Is(err, platform.ErrNotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		if s.wroteThat(k, strings.TrimSpace(string(now))) {
			kept = append(kept, k)
		}
	}
	return kept, nil
}

// wroteThat: the value has our additions and is not what it was.
func (s isolatorRemoved) wroteThat(k keptFile, now string) bool {
	before := strings.TrimSpace(string(k.Data))
	if !k.Gone && now == before {
		return false
	}
	if path.Base(k.Path) == flagCheckpoint {
		return now == checkpointDir
	}
	merged, reason := mergeIsolation(now)
	if reason != "" || merged != now {
		return false
	}
	if k.Gone {
		return true
	}
	was, reason := mergeIsolation(before)
	return reason == "" && was == now
}

func (s isolatorRemoved) Check(context.Context) (step.Finding, error) {
	kept, err := s.ours()
	if err != nil {
		return step.Finding{}, err
	}
	if len(kept) > 0 {
		return step.Need("OurFlags", "%s has the isolator's flags, as the agent wrote them", kept[0].Path), nil
	}
	return step.OK("the Mesos agent's files have no flag that is the agent's"), nil
}

func (s isolatorRemoved) Apply(context.Context) error {
	kept, err := s.ours()
	if err != nil {
		return err
	}
	for _, k := range kept {
		if k.Gone {
			err = s.sys.Files.Remove(k.Path)
		} else {
			err = s.sys.Files.Write(k.Path, k.Data, k.Mode)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

package installer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
)

// mesosState is what a restart of a Mesos agent depends on, from its /state.
type mesosState struct {
	ID         string            `json:"id"`
	Flags      map[string]string `json:"flags"`
	Frameworks []mesosFramework  `json:"frameworks"`
	Completed  []mesosFramework  `json:"completed_frameworks"`
}

type mesosFramework struct {
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Checkpoint bool            `json:"checkpoint"`
	Executors  []mesosExecutor `json:"executors"`
	Completed  []mesosExecutor `json:"completed_executors"`
}

type mesosExecutor struct {
	Tasks     []mesosTask `json:"tasks"`
	Queued    []mesosTask `json:"queued_tasks"`
	Completed []mesosTask `json:"completed_tasks"`
}

type mesosTask struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

// running tasks, as FRAMEWORK/TASK, in order.
func (s mesosState) running() []string {
	var ids []string
	for _, f := range s.Frameworks {
		for _, e := range f.Executors {
			for _, t := range e.Tasks {
				ids = append(ids, f.ID+"/"+t.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// finished tells whether a task ended of itself and well: that is no fault of a restart.
func (s mesosState) finished(id string) bool {
	for _, f := range slices.Concat(s.Frameworks, s.Completed) {
		for _, e := range slices.Concat(f.Executors, f.Completed) {
			for _, t := range e.Completed {
				if f.ID+"/"+t.ID == id && t.State == "TASK_FINISHED" {
					return true
				}
			}
		}
	}
	return false
}

// uncheckpointed frameworks lose their tasks when the agent restarts.
func (s mesosState) uncheckpointed() []string {
	var names []string
	for _, f := range s.Frameworks {
		if !f.Checkpoint {
			names = append(names, f.Name+" ("+f.ID+")")
		}
	}
	return names
}

// mesosAddresses to try: an agent started with --ip doesn't listen on loopback.
func mesosAddresses(o *orders, m mesosAgent) []string {
	port := "5051"
	if p, set, err := m.flag("port"); err == nil && set && p != "" {
		port = p
	}
	urls := []string{"http://" + net.JoinHostPort("127.0.0.1", port)}
	addrs, err := o.sys.Network.Addresses()
	if err != nil {
		return urls
	}
	for _, a := range addrs {
		urls = append(urls, "http://"+net.JoinHostPort(a.String(), port))
	}
	return urls
}

// askMesosAgent for its state at the first address that answers.
func askMesosAgent(ctx context.Context, ask Ask, urls []string) (mesosState, error) {
	var failed []error
	for _, url := range urls {
		body, err := ask(ctx, Question{URL: url + "/state"})
		if err != nil {
			failed = append(failed, err)
			continue
		}
		var state mesosState
		if err := json.Unmarshal(body, &state); err != nil {
			return state, fmt.Errorf("reading %s/state: %w", url, err)
		}
		if state.ID == "" || state.Flags == nil {
			return state, fmt.Errorf("reading %s/state: it has no id or flags: the agent isn't registered yet", url)
		}
		return state, nil
	}
	return mesosState{}, fmt.Errorf("asking the Mesos agent: %w", errors.Join(failed...))
}

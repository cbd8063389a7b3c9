package cases

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"scaleio-framework/test/nodes"
)

// mesosTask is a task as the master's /state lists it.
type mesosTask struct {
	ID      string `json:"id"`
	AgentID string `json:"slave_id"`
	State   string `json:"state"`
}

// tasks are the product's running tasks.
func (s *Stand) tasks(ctx context.Context) ([]mesosTask, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+masterAddress+"/state", nil)
	if err != nil {
		return nil, fmt.Errorf("asking the Mesos master: %w", err)
	}
	client := s.client()
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the Mesos master: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("asking the Mesos master: %w", err)
	}
	var state struct {
		Frameworks []struct {
			Principal string      `json:"principal"`
			Tasks     []mesosTask `json:"tasks"`
		} `json:"frameworks"`
	}
	if err := json.Unmarshal(body, &state); err != nil {
		return nil, fmt.Errorf("asking the Mesos master: %w", err)
	}
	var running []mesosTask
	for _, framework := range state.Frameworks {
		if framework.Principal == principal {
			running = append(running, framework.Tasks...)
		}
	}
	return running, nil
}

// TaskIDs are the ids of the product's tasks.
func (s *Stand) TaskIDs(ctx context.Context) ([]string, error) {
	tasks, err := s.tasks(ctx)
	var ids []string
	for _, task := range tasks {
		ids = append(ids, task.ID)
	}
	return ids, err
}

// NothingTwice fails unless every Mesos agent runs one task of the product, and
// the MDM knows one SDS per node and each disk once.
func (s *Stand) NothingTwice(ctx context.Context) error {
	tasks, err := s.tasks(ctx)
	if err != nil {
		return err
	}
	var errs []error
	var agents []string
	for _, task := range tasks {
		if slices.Contains(agents, task.AgentID) {
			errs = append(errs, fmt.Errorf("the Mesos agent %s has a second task %s", task.AgentID, task.ID))
		}
		agents = append(agents, task.AgentID)
	}
	if len(agents) != len(s.Nodes()) {
		errs = append(errs, fmt.Errorf("%d tasks run on %d nodes", len(agents), len(s.Nodes())))
	}
	text, err := s.scli(ctx, "--query_all_sds")
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	for _, node := range s.Nodes() {
		if n := strings.Count(text, " IP: "+node.Address+" "); n != 1 {
			errs = append(errs, fmt.Errorf("%d SDSs have the address of %s", n, node.Name))
		}
		devices, err := s.devicesOf(ctx, node)
		errs = append(errs, err)
		unique := slices.Compact(slices.Sorted(slices.Values(devices)))
		if empty := countEmpty(node.Disks); len(devices) != empty || len(unique) != empty {
			errs = append(errs, fmt.Errorf("%s has %d empty disks and the devices %v", node.Name, empty, devices))
		}
	}
	return errors.Join(errs...)
}

func countEmpty(disks []nodes.Disk) int {
	count := 0
	for _, disk := range disks {
		if disk.Content == nodes.Empty {
			count++
		}
	}
	return count
}

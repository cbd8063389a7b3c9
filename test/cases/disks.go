package cases

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/nodes"
)

// recordSums notes what is on a new node's disks, for UntouchedDisks.
func (s *Stand) recordSums(node *nodes.Node) error {
	sums := map[string]string{}
	for _, disk := range node.Disks {
		sum, err := disk.Sum()
		if err != nil {
			return fmt.Errorf("noting the disks of %s: %w", node.Name, err)
		}
		sums[disk.Image] = sum
	}
	data, err := json.Marshal(sums)
	if err == nil {
		err = os.WriteFile(s.sumsFile(node), data, 0o600)
	}
	if err != nil {
		return fmt.Errorf("noting the disks of %s: %w", node.Name, err)
	}
	return nil
}

func (s *Stand) sumsFile(node *nodes.Node) string { return s.Path("nodes", node.Name, "sums.json") }

// PooledDisks fails unless every empty disk of every node is in the pool, every
// other is refused with a reason. What is in the pool is asked of the MDM.
func (s *Stand) PooledDisks(ctx context.Context) error {
	status, err := s.Status(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, node := range s.Nodes() {
		seen := statusOf(status, node)
		if seen == nil {
			errs = append(errs, fmt.Errorf("%s is not in the scheduler's status", node.Name))
			continue
		}
		devices, err := s.devicesOf(ctx, node)
		errs = append(errs, err)
		for _, disk := range node.Disks {
			if err := judgeDisk(disk, seen.Disks, devices); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", node.Name, err))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("judging the disks: %w", err)
	}
	return nil
}

func judgeDisk(disk nodes.Disk, seen []api.Disk, devices []string) error {
	pooled := false
	for _, path := range devices {
		pooled = pooled || path == disk.Device
	}
	for _, d := range seen {
		if d.Path != disk.Device {
			continue
		}
		switch empty := disk.Content == nodes.Empty; {
		case empty && !pooled:
			return fmt.Errorf("the empty disk %s is not in the pool: %s %s %s", d.Path, d.State, d.Reason, d.Message)
		case empty && d.State != api.DiskAdopted:
			return fmt.Errorf("the disk %s is in the pool, but listed as %s", d.Path, d.State)
		case !empty && pooled:
			return fmt.Errorf("the disk %s (%s) was taken", d.Path, disk.Content)
		case !empty && (d.State != api.DiskRefused || d.Reason == ""):
			return fmt.Errorf("the disk %s (%s) is listed as %q with the reason %q, not as refused", d.Path, disk.Content, d.State, d.Reason)
		}
		return nil
	}
	return fmt.Errorf("the disk %s (%s) is not listed", disk.Device, disk.Content)
}

// UntouchedDisks fails if a disk that wasn't empty changed in a single byte.
func (s *Stand) UntouchedDisks() error {
	var errs []error
	for _, node := range s.Nodes() {
		data, err := os.ReadFile(s.sumsFile(node))
		if err != nil {
			return fmt.Errorf("reading what was on the disks of %s: %w", node.Name, err)
		}
		before := map[string]string{}
		if err := json.Unmarshal(data, &before); err != nil {
			return fmt.Errorf("reading what was on the disks of %s: %w", node.Name, err)
		}
		for _, disk := range node.Disks {
			sum, err := disk.Sum()
			errs = append(errs, err)
			if disk.Content != nodes.Empty && sum != before[disk.Image] {
				errs = append(errs, fmt.Errorf("the disk %s (%s) of %s has changed", disk.Device, disk.Content, node.Name))
			}
		}
	}
	return errors.Join(errs...)
}

// ImagesWith lists the nodes on whose disks a text is.
func (s *Stand) ImagesWith(text string) ([]string, error) {
	var found []string
	for _, node := range s.Nodes() {
		for _, disk := range node.Disks {
			holds, err := disk.Contains(text)
			if err != nil {
				return nil, err
			}
			if holds {
				found = append(found, node.Name)
				break
			}
		}
	}
	return found, nil
}

func statusOf(status api.ClusterStatus, node *nodes.Node) *api.NodeStatus {
	for i := range status.Nodes {
		if status.Nodes[i].Hostname == node.Name || strings.HasPrefix(status.Nodes[i].Address, node.Address) {
			return &status.Nodes[i]
		}
	}
	return nil
}

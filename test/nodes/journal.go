package nodes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// CollectLogs copies what the nodes' journals and the cluster's processes said
// to a directory, of nodes that don't run too.
func (c *Cluster) CollectLogs(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("collecting logs: %w", err)
	}
	var errs []error
	logs, _ := filepath.Glob(c.Path("log", "*.log"))
	for _, path := range logs {
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(path)), data, 0o644)
		}
		errs = append(errs, err)
	}
	for _, node := range c.Nodes() {
		text, err := node.Journal(ctx)
		errs = append(errs, err, os.WriteFile(filepath.Join(dir, node.Name+".journal"), []byte(text), 0o644))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("collecting logs: %w", err)
	}
	return nil
}

// Journal is what the node wrote to its journal, over all of its boots. It is
// read from the node's files, so the node need not run. More arguments for
// journalctl, such as "-u", "scaleio-agent", narrow it down.
func (n *Node) Journal(ctx context.Context, args ...string) (string, error) {
	argv := []string{"journalctl", "--no-pager", "--output=short-iso-precise", "--directory=" + n.path("upper/var/log/journal")}
	return output(ctx, append(argv, args...)...)
}

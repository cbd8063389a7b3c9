package cases

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"scaleio-framework/test/nodes"
)

// Config of a stand-in cluster.
type Config struct {
	Name  string       // of the cluster: its directory, network and machines are named after it
	Nodes int          // so many Ubuntu nodes, or
	Kinds []nodes.Kind // one for each of these
	Build string       // directory with what Build made
	// Scheduler is laid over the scheduler's configuration.
	Scheduler map[string]any
	// Prepare changes a node before it boots for the first time.
	Prepare func(*nodes.Node) error
	// NoMesos leaves nodes without a Mesos agent, by name.
	NoMesos []string
	// Cloud makes the nodes instances of a stand-in for EC2.
	Cloud bool
	// Packaging is the directory with the IAM policies that the instances get once the cluster's UUID is known; "" = the caller sees to that.
	Packaging string
	// NoScheduler leaves it to the caller to start it.
	NoScheduler bool
	Log         *slog.Logger
}

// Disks of every node: two to give, three to keep hands off.
var Disks = []nodes.Content{nodes.Empty, nodes.Empty, nodes.FileSystem, nodes.Table, nodes.LateData}

// Stand is a running stand-in cluster.
type Stand struct {
	*nodes.Cluster
	log       *slog.Logger
	scheduler string // address that it was moved to; "" = the first one
}

// Open finds one that some process brought up.
func Open(name string, log *slog.Logger) (*Stand, error) {
	cluster, err := nodes.Load(name, log)
	if err != nil {
		return nil, err
	}
	return &Stand{Cluster: cluster, log: log}, nil
}

// Up brings a cluster up, as far as its operator would: machines with Mesos, a
// mirror with the packages, and the scheduler's Marathon app. What follows is
// the product's work. On an error the cluster stays, to be looked at.
func Up(ctx context.Context, config Config) (*Stand, error) {
	if len(config.Kinds) == 0 {
		config.Kinds = slices.Repeat([]nodes.Kind{nodes.Ubuntu}, config.Nodes)
	}
	roots, err := buildRoots(ctx, config)
	if err != nil {
		return nil, err
	}
	cluster, err := nodes.Create(ctx, config.Name, roots, config.Log)
	if err != nil {
		return nil, err
	}
	s := &Stand{Cluster: cluster, log: config.Log}
	if err := s.startMirror(ctx, roots, config.Build); err != nil {
		return s, fmt.Errorf("starting the mirror: %w", err)
	}
	if err := s.startMaster(ctx, config.Build); err != nil {
		return s, fmt.Errorf("starting the Mesos master: %w", err)
	}
	if config.Cloud {
		if err := s.StartCloud(ctx, config.Build); err != nil {
			return s, fmt.Errorf("starting the cloud: %w", err)
		}
	}
	if err := s.bootNodes(ctx, config); err != nil {
		return s, err
	}
	if err := s.writeApp(config); err != nil {
		return s, fmt.Errorf("preparing the scheduler: %w", err)
	}
	if config.NoScheduler {
		return s, nil
	}
	if err := s.StartScheduler(ctx); err != nil {
		return s, fmt.Errorf("starting the scheduler: %w", err)
	}
	if config.Packaging != "" {
		if err := s.AdmitNodes(ctx, config.Packaging); err != nil {
			return s, fmt.Errorf("letting the nodes buy volumes: %w", err)
		}
	}
	return s, nil
}

// buildRoots makes one for each kind of node.
func buildRoots(ctx context.Context, config Config) ([]nodes.Root, error) {
	var roots []nodes.Root
	for i, kind := range config.Kinds {
		if slices.Contains(config.Kinds[:i], kind) {
			continue
		}
		root, err := nodes.BuildRoot(ctx, kind, config.Log)
		if err != nil {
			return nil, err
		}
		roots = append(roots, root)
	}
	return roots, nil
}

// bootNodes makes the machines and boots them side by side.
func (s *Stand) bootNodes(ctx context.Context, config Config) error {
	s.log.Info("booting nodes", "nodes", len(config.Kinds))
	errs := make([]error, len(config.Kinds))
	var wait sync.WaitGroup
	for i, kind := range config.Kinds {
		node, err := s.AddNodeOf(ctx, kind)
		if err != nil {
			return err
		}
		wait.Go(func() { errs[i] = s.bootNode(ctx, node, i, config) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

func (s *Stand) bootNode(ctx context.Context, node *nodes.Node, index int, config Config) error {
	for _, content := range Disks {
		if _, err := node.AddDisk(ctx, content); err != nil {
			return err
		}
	}
	if err := s.recordSums(node); err != nil {
		return err
	}
	if !slices.Contains(config.NoMesos, node.Name) {
		if err := installMesosAgent(node, index, config.Build); err != nil {
			return err
		}
		if err := node.Link("/etc/systemd/system/multi-user.target.wants/mesos-agent.service", "../mesos-agent.service"); err != nil {
			return err
		}
	}
	if config.Cloud {
		if err := s.launch(ctx, node, index); err != nil {
			return err
		}
	}
	if config.Prepare != nil {
		if err := config.Prepare(node); err != nil {
			return err
		}
	}
	return node.Start(ctx)
}

// startMirror gathers what an operator would put on an internal web server: the
// vendor's packages, the agent's binary, and the distributions' packages. They
// are copied, so that a later build doesn't change what a digest was made of.
func (s *Stand) startMirror(ctx context.Context, roots []nodes.Root, build string) error {
	places := map[string]string{
		filepath.Join(build, "mirror"):        "",
		filepath.Join(build, "scaleio-agent"): "bin",
	}
	for _, root := range roots {
		if root.Served != "" {
			places[root.Repository] = root.Served
		}
	}
	for from, to := range places {
		if err := copyInto(from, s.Path("mirror", to)); err != nil {
			return err
		}
	}
	return s.ServeFiles(ctx, s.Path("mirror"))
}

// copyInto copies a file, or what is in a directory, to a directory.
func copyInto(from, dir string) error {
	info, err := os.Stat(from)
	if err != nil {
		return fmt.Errorf("copying: %w", err)
	}
	if info.IsDir() {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("copying %s: %w", from, err)
		}
		if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
			return fmt.Errorf("copying %s: %w", from, err)
		}
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copying: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(from)), data, info.Mode().Perm()); err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	return nil
}

// Package loopdisk makes volumes of a stand-in cloud appear on systemd nodes (package nodes) as loop devices that are called as their attachment asked for.
package loopdisk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"scaleio-framework/test/aws"
	"scaleio-framework/test/nodes"
)

// Disks of a cluster's nodes. An instance's Machine is its node's name.
type Disks struct {
	cluster string
	log     *slog.Logger
}

var _ aws.Backend = (*Disks)(nil)

// New gives disks to the nodes of a cluster by its name.
func New(cluster string, log *slog.Logger) *Disks { return &Disks{cluster, log} }

// node as it is now: another process boots and stops it.
func (d *Disks) node(i aws.Instance) (*nodes.Cluster, *nodes.Node, error) {
	cluster, err := nodes.Load(d.cluster, d.log)
	if err != nil {
		return nil, nil, err
	}
	node := cluster.Node(i.Machine)
	if node == nil {
		return nil, nil, fmt.Errorf("looking for the machine of instance %s: the cluster %s has no node %q", i.ID, d.cluster, i.Machine)
	}
	return cluster, node, nil
}

// image holds a volume's data; its name has the volume's id.
func image(c *nodes.Cluster, v aws.Volume) string {
	return filepath.Join(c.VolumesDir(), v.ID+".img")
}

func device(v aws.Volume) string {
	return "/dev/" + strings.TrimPrefix(v.Attachment.Device, "/dev/")
}

// Plug implements aws.Backend.
func (d *Disks) Plug(ctx context.Context, i aws.Instance, v aws.Volume) error {
	cluster, node, err := d.node(i)
	if err != nil {
		return err
	}
	if err := d.makeImage(image(cluster, v), int64(v.SizeGiB)<<30); err != nil {
		return err
	}
	return node.PlugVolume(ctx, image(cluster, v), device(v))
}

// makeImage is sparse; one that is there keeps its data.
func (d *Disks) makeImage(name string, size int64) error {
	err := os.MkdirAll(filepath.Dir(name), 0o700)
	if err != nil {
		return fmt.Errorf("making a volume's image: %w", err)
	}
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = errors.Join(file.Truncate(size), file.Close())
	}
	if err != nil {
		return fmt.Errorf("making a volume's image: %w", err)
	}
	return nil
}

// Unplug implements aws.Backend.
func (d *Disks) Unplug(ctx context.Context, i aws.Instance, v aws.Volume) error {
	cluster, node, err := d.node(i)
	if err != nil {
		return err
	}
	err = node.UnplugVolume(ctx, image(cluster, v), device(v))
	if errors.Is(err, nodes.ErrVolumeBusy) {
		return fmt.Errorf("%w: %w", aws.ErrBusy, err)
	}
	return err
}

// Destroy implements aws.Backend.
func (d *Disks) Destroy(_ context.Context, v aws.Volume) error {
	cluster, err := nodes.Load(d.cluster, d.log)
	if err != nil {
		return err
	}
	if err := os.Remove(image(cluster, v)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("destroying volume %s: %w", v.ID, err)
	}
	return nil
}

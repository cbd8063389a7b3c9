// Package nvmedisk makes volumes of a stand-in cloud appear on a virtual machine (package vm) as EC2's Nitro instances see them: NVMe disks whose serial is the volume's id. Only the
// model is qemu's own.
package nvmedisk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"scaleio-framework/test/aws"
	"scaleio-framework/test/vm"
)

// Disks of one machine.
type Disks struct {
	machine *vm.Machine
	ports   []string // the volume in each; "" = free
}

var _ aws.Backend = (*Disks)(nil)

// New gives disks to a machine, through those of its ports for hot-plug that are given.
func New(machine *vm.Machine, ports ...int) *Disks {
	d := &Disks{machine: machine, ports: make([]string, slices.Max(ports)+1)}
	for port := range d.ports {
		if !slices.Contains(ports, port) {
			d.ports[port] = "taken"
		}
	}
	return d
}

// Serial of a volume's disk: its id without the dash.
func Serial(id string) string { return strings.Replace(id, "-", "", 1) }

func (d *Disks) disk(v aws.Volume) vm.Disk {
	serial := Serial(v.ID)
	return vm.Disk{Serial: serial, Image: filepath.Join(d.machine.Dir, serial+".img")}
}

// Plug implements aws.Backend. The machine must be on.
func (d *Disks) Plug(ctx context.Context, i aws.Instance, v aws.Volume) error {
	if slices.Contains(d.ports, v.ID) {
		return nil
	}
	disk := d.disk(v)
	if _, err := os.Stat(disk.Image); errors.Is(err, fs.ErrNotExist) {
		if _, err := d.machine.MakeDisk(disk.Serial, int64(v.SizeGiB)<<30); err != nil {
			return err
		}
	}
	port := slices.Index(d.ports, "")
	if port < 0 || !d.machine.Running() {
		return fmt.Errorf("plugging volume %s into the machine of %s: it is off, or has no free port", v.ID, i.ID)
	}
	if err := d.machine.Plug(ctx, port, disk); err != nil {
		return err
	}
	d.ports[port] = v.ID
	return nil
}

// Unplug implements aws.Backend.
func (d *Disks) Unplug(ctx context.Context, _ aws.Instance, v aws.Volume) error {
	port := slices.Index(d.ports, v.ID)
	if port < 0 {
		return nil
	}
	if err := d.machine.Unplug(ctx, d.disk(v)); err != nil {
		return err
	}
	d.ports[port] = ""
	return nil
}

// Destroy implements aws.Backend.
func (d *Disks) Destroy(_ context.Context, v aws.Volume) error {
	if err := os.Remove(d.disk(v).Image); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("destroying volume %s: %w", v.ID, err)
	}
	return nil
}

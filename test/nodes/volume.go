package nodes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrVolumeBusy means that something on the node, or the kernel, has the volume for itself alone.
var ErrVolumeBusy = errors.New("the volume is in use")

// VolumesDir holds images of volumes that come and go while nodes run, and may move from one to another: each FILE.img. Who makes them there need not be the
// process that made the cluster; Close lets go of them.
func (c *Cluster) VolumesDir() string { return c.Path("volumes") }

// PlugVolume shows the node an image as a disk called device ("/dev/xvdba"), now if it runs and after each boot. It may be called again.
func (n *Node) PlugVolume(ctx context.Context, image, device string) error {
	loop, err := loopOf(ctx, image)
	if err == nil && loop == "" {
		loop, err = output(ctx, "losetup", "--find", "--show", image)
		loop = strings.TrimSpace(loop)
	}
	if err != nil {
		return fmt.Errorf("plugging %s in at %s: %w", image, n.Name, err)
	}
	minor := strings.TrimPrefix(loop, "/dev/loop")
	line := fmt.Sprintf("b %s 0600 root root - 7:%s\n", device, minor)
	if err := n.WriteFile(volumeLine(device), []byte(line), 0o644); err != nil {
		return err
	}
	if _, err := n.init(); err != nil {
		return nil // it is off: it sees the disk when it boots
	}
	if _, err := n.Output(ctx, "rm", "-f", device); err != nil { // of a loop device that it had before
		return err
	}
	if _, err := n.Output(ctx, "mknod", "-m", "600", device, "b", "7", minor); err != nil {
		return err
	}
	return announce(loop)
}

// volumeLine is the file from which the node's systemd makes the device at boot.
func volumeLine(device string) string {
	return "/etc/tmpfiles.d/volume-" + filepath.Base(device) + ".conf"
}

// announce has the kernel tell that there is a new disk: it did so when the loop device got its image, before the node could see that.
func announce(loop string) error {
	err := os.WriteFile(filepath.Join("/sys/block", filepath.Base(loop), "uevent"), []byte("add\n"), 0)
	if err != nil {
		return fmt.Errorf("telling of %s: %w", loop, err)
	}
	return nil
}

// UnplugVolume takes it away again. What is mounted, or opened by somebody for itself alone, stays: ErrVolumeBusy.
func (n *Node) UnplugVolume(ctx context.Context, image, device string) error {
	loop, err := loopOf(ctx, image)
	if err != nil {
		return fmt.Errorf("unplugging %s from %s: %w", image, n.Name, err)
	}
	if loop != "" {
		if err := openAlone(loop); err != nil {
			return fmt.Errorf("unplugging %s from %s: %w", image, n.Name, err)
		}
	}
	err = n.removeFile(volumeLine(device))
	if _, off := n.init(); err == nil && off == nil {
		_, err = n.Output(ctx, "rm", "-f", device)
	}
	if err == nil && loop != "" {
		_, err = output(ctx, "losetup", "--detach", loop)
	}
	if err != nil {
		return fmt.Errorf("unplugging %s from %s: %w", image, n.Name, err)
	}
	return nil
}

// removeFile from the node's root, running or not.
func (n *Node) removeFile(path string) error {
	root := n.path("upper")
	if init, err := n.init(); err == nil {
		root = fmt.Sprintf("/proc/%d/root", init)
	}
	err := os.Remove(filepath.Join(root, path))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// openAlone fails if somebody else has the device so.
func openAlone(device string) error {
	fd, err := unix.Open(device, unix.O_RDONLY|unix.O_EXCL|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.EBUSY) {
		return ErrVolumeBusy
	}
	if err != nil {
		return fmt.Errorf("opening %s: %w", device, err)
	}
	return unix.Close(fd)
}

// loopOf an image; "" if it has none.
func loopOf(ctx context.Context, image string) (string, error) {
	listed, err := output(ctx, "losetup", "--associated", image, "--noheadings", "--output", "NAME")
	first, _, _ := strings.Cut(strings.TrimSpace(listed), "\n")
	return strings.TrimSpace(first), err
}

// detachVolumes lets go of all images in VolumesDir.
func (c *Cluster) detachVolumes(ctx context.Context) error {
	images, err := filepath.Glob(filepath.Join(c.VolumesDir(), "*.img"))
	if err != nil {
		return fmt.Errorf("listing the cluster's volumes: %w", err)
	}
	for _, image := range images {
		loop, lookErr := loopOf(ctx, image)
		err = errors.Join(err, lookErr)
		if loop != "" {
			_, detachErr := output(ctx, "losetup", "--detach", loop)
			err = errors.Join(err, detachErr)
		}
	}
	return err
}

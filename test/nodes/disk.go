package nodes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Content is what a disk holds when its node gets it.
type Content string

// The kinds of disks that an operator's node may have.
const (
	Empty      Content = "empty"
	FileSystem Content = "filesystem" // an ext4 file system, no table
	Table      Content = "table"      // a GPT with nothing in it
	LateData   Content = "late-data"  // zeros at both ends, data in between
)

// DiskSizeBytes is above the product's minimum of 100 GB. Images are sparse.
const DiskSizeBytes = 120 << 30

// Disk is one image with a loop device on it; a node sees it as that device.
type Disk struct {
	Content Content `json:"content"`
	Image   string  `json:"image"`
	Device  string  `json:"device"` // /dev/loopN, the same on host and node
}

// makeDisk writes the image and attaches it.
func makeDisk(ctx context.Context, image string, content Content) (Disk, error) {
	disk := Disk{Content: content, Image: image}
	if err := os.MkdirAll(filepath.Dir(image), 0o700); err != nil {
		return disk, fmt.Errorf("making a disk: %w", err)
	}
	file, err := os.OpenFile(image, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return disk, fmt.Errorf("making a disk: %w", err)
	}
	err = file.Truncate(DiskSizeBytes)
	if err == nil && content == LateData {
		err = writeLateData(file)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return disk, fmt.Errorf("making the disk %s: %w", image, err)
	}
	switch content {
	case FileSystem:
		_, err = output(ctx, "mkfs.ext4", "-q", "-F", "-L", "precious", image)
	case Table:
		_, err = outputFrom(ctx, strings.NewReader("label: gpt\n"), "sfdisk", "--quiet", image)
	}
	if err != nil {
		return disk, fmt.Errorf("filling the disk %s: %w", image, err)
	}
	device, err := output(ctx, "losetup", "--find", "--show", image)
	if err != nil {
		return disk, fmt.Errorf("attaching the disk %s: %w", image, err)
	}
	disk.Device = strings.TrimSpace(device)
	return disk, nil
}

// writeLateData puts 384 MiB of noise far from both ends: with the 4,096 random
// blocks that are read before a disk is taken, the chance to miss all of it is
// below 1 in 300,000.
func writeLateData(w io.WriterAt) error {
	const from, length, chunk = 40 << 30, 384 << 20, 1 << 20
	noise := rand.NewChaCha8([32]byte{'l', 'a', 't', 'e'})
	block := make([]byte, chunk)
	for at := int64(0); at < length; at += chunk {
		_, _ = noise.Read(block)
		if _, err := w.WriteAt(block, from+at); err != nil {
			return fmt.Errorf("writing late data: %w", err)
		}
	}
	return nil
}

func (d Disk) detach(ctx context.Context) error {
	if d.Device == "" || !d.attached() {
		return nil
	}
	_, err := output(ctx, "losetup", "--detach", d.Device)
	return err
}

// attached is false when the device was given to somebody else meanwhile.
func (d Disk) attached() bool {
	backing, err := os.ReadFile("/sys/block/" + filepath.Base(d.Device) + "/loop/backing_file")
	return err == nil && strings.TrimSpace(string(backing)) == d.Image
}

// Sum is a digest over where on the image there is something else than zeros,
// and what. Holes are skipped, so 120 GiB take no longer than what was written.
// (Holes themselves don't count: ext4 shows the same zeros now as data, now as
// a hole.)
func (d Disk) Sum() (string, error) {
	sum := sha256.New()
	err := d.eachExtent(func(at int64, r io.Reader) (bool, error) { return false, sumBlocks(sum, at, r) })
	return hex.EncodeToString(sum.Sum(nil)), err
}

// Contains looks for a text in what was written to the disk.
func (d Disk) Contains(text string) (bool, error) {
	found := false
	err := d.eachExtent(func(_ int64, r io.Reader) (stop bool, err error) {
		found, err = streamContains(r, []byte(text))
		return found, err
	})
	return found, err
}

// eachExtent calls visit for each part of the image that is no hole.
func (d Disk) eachExtent(visit func(at int64, r io.Reader) (stop bool, err error)) error {
	file, err := os.Open(d.Image)
	if err != nil {
		return fmt.Errorf("reading a disk: %w", err)
	}
	defer file.Close()
	for at := int64(0); ; {
		from, err := file.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // nothing but a hole up to the end
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the disk %s: %w", d.Image, err)
		}
		if at, err = file.Seek(from, unix.SEEK_HOLE); err != nil {
			return fmt.Errorf("reading the disk %s: %w", d.Image, err)
		}
		stop, err := visit(from, io.NewSectionReader(file, from, at-from))
		if stop || err != nil {
			return err
		}
	}
}

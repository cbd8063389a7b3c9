package block

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"scaleio-framework/platform"
)

// Commands of which one, blkid, is asked for a second opinion.
type Commands interface {
	Run(ctx context.Context, cmd platform.Cmd) (platform.Output, error)
}

// A Scanner sees the disks of a machine.
type Scanner struct {
	root     platform.Root
	devices  devices
	commands Commands
	ebsModel string
}

// Options of a Scanner.
type Options struct {
	Commands Commands // nil = blkid isn't asked
	EBSModel string   // what an EBS volume calls itself; "" = what EC2 presents (an emulated NVMe disk can't take that name)
}

// NewScanner gives a scanner of the machine whose /sys, /proc and /dev lie under root.
func NewScanner(root platform.Root, opts Options) *Scanner {
	if opts.EBSModel == "" {
		opts.EBSModel = modelEBS
	}
	return &Scanner{root: root, devices: systemDevices{root}, commands: opts.Commands, ebsModel: opts.EBSModel}
}

// Scan lists the whole disks of which this machine's /dev holds a node, by kernel name. In a container /sys shows the host's others too: only a node with the
// same number in our own /dev makes a disk ours.
func (s *Scanner) Scan(ctx context.Context) ([]Disk, error) {
	names, err := os.ReadDir(s.root.Path("sys/block"))
	if err != nil {
		return nil, fmt.Errorf("listing block devices: %w", err)
	}
	nodes, err := s.devices.nodes()
	if err != nil {
		return nil, fmt.Errorf("listing /dev: %w", err)
	}
	volumes, links := s.productVolumes(), s.links()
	var disks []Disk
	for _, entry := range names {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("listing block devices: %w", err)
		}
		if disk, ok := s.look(entry.Name(), nodes, volumes); ok {
			disk.Link = links[number{disk.Major, disk.Minor}]
			disks = append(disks, disk)
		}
	}
	sort.Slice(disks, func(i, j int) bool { return disks[i].Kernel < disks[j].Kernel })
	return disks, nil
}

// Look at one disk by its kernel name: what it is, read from /sys alone, within a millisecond of the kernel's event. False = it isn't there, or isn't ours.
func (s *Scanner) Look(name string) (Disk, bool) {
	if name == "" || strings.ContainsRune(name, '/') {
		return Disk{}, false
	}
	num, ok := parseNumber(s.attribute(name, "dev"))
	if !ok {
		return Disk{}, false
	}
	path := devPath(name)
	if at, is, err := s.devices.number(s.root.Path(path)); err == nil && is && at == num { // devtmpfs makes the node before the kernel says anything
		return s.look(name, map[number][]string{num: {path}}, s.productVolumes())
	}
	nodes, err := s.devices.nodes()
	if err != nil {
		return Disk{}, false
	}
	return s.look(name, nodes, s.productVolumes())
}

// devPath is where the kernel puts a disk's node: "cciss!c0d0" is in a folder.
func devPath(name string) string { return "/dev/" + strings.ReplaceAll(name, "!", "/") }

// look reads one entry of /sys/block. A device that goes away meanwhile is no error: it isn't a disk any more.
func (s *Scanner) look(name string, nodes map[number][]string, volumes func(number, []string) bool) (Disk, bool) {
	sectors, err := strconv.ParseInt(s.attribute(name, "size"), 10, 64)
	if err != nil || sectors <= 0 || sectors > 1<<53 { // a loop device without a file, an empty drive: most of what a machine lists
		return Disk{}, false
	}
	num, ok := parseNumber(s.attribute(name, "dev"))
	paths := nodes[num]
	if !ok || len(paths) == 0 || s.attribute(name, "hidden") == "1" { // hidden: one path of an NVMe multipath device
		return Disk{}, false
	}
	path := devPath(name)
	if !slices.Contains(paths, path) {
		path = paths[0]
	}
	d := Disk{
		Kernel: name, Path: path, Major: num.major, Minor: num.minor,
		SizeBytes: sectors * 512, // sysfs counts in 512 bytes whatever the disk's sector
		ReadOnly:  s.attribute(name, "ro") == "1",
		Removable: s.attribute(name, "removable") == "1",
		Model:     s.attribute(name, "device/model"),
	}
	d.Sector, _ = strconv.Atoi(s.attribute(name, "queue/logical_block_size")) // every kernel that the product has a driver for says it
	d.Type, d.Transport = s.kind(name)
	if volumes(num, paths) {
		d.Type = TypeProductVolume
	}
	d.ID, d.Serial = s.identity(name, d.Type, d.Model)
	return d, true
}

// kind tells a disk by what sysfs has for it, not by its name: only what has a device behind it is a disk.
func (s *Scanner) kind(name string) (kind, transport string) {
	has := func(path string) bool { return s.has(name, path) }
	switch {
	case has("loop") || strings.HasPrefix(name, "loop"):
		return TypeLoop, "loop"
	case has("dm"):
		return TypeDM, "dm"
	case has("md"):
		return TypeMD, "md"
	case !has("device"):
		return TypeVirtual, ""
	case strings.HasPrefix(name, "sr") || s.attribute(name, "device/type") == "5": // SCSI's code of CD-ROM
		return TypeROM, "scsi"
	}
	for _, t := range []struct{ prefix, transport string }{{"nvme", "nvme"}, {"vd", "virtio"}, {"xvd", "xen"}, {"mmcblk", "mmc"}, {"sd", "scsi"}} {
		if strings.HasPrefix(name, t.prefix) {
			return TypeDisk, t.transport
		}
	}
	return TypeDisk, "other"
}

// productVolumes finds what the cluster serves to this node: by the driver's number, by its node's name and by the stable link that the client makes.
func (s *Scanner) productVolumes() func(number, []string) bool {
	major, hasMajor := driverMajor(s.text("proc/devices"), "scini")
	linked := map[string]bool{}
	if links, err := filepath.Glob(s.root.Path("dev/disk/by-id/emc-vol-*")); err == nil {
		for _, link := range links {
			if target, err := os.Readlink(link); err == nil {
				linked[filepath.Base(target)] = true
			}
		}
	}
	return func(num number, paths []string) bool {
		return hasMajor && num.major == major || slices.ContainsFunc(paths, func(p string) bool {
			return strings.HasPrefix(filepath.Base(p), "scini") || linked[filepath.Base(p)]
		})
	}
}

// driverMajor reads /proc/devices.
func driverMajor(text, driver string) (uint32, bool) {
	_, blocks, _ := strings.Cut(text, "Block devices:")
	for line := range strings.Lines(blocks) {
		fields := strings.Fields(line)
		if len(fields) == 2 && fields[1] == driver {
			major, err := strconv.ParseUint(fields[0], 10, 32)
			return uint32(major), err == nil
		}
	}
	return 0, false
}

// attribute reads a file of /sys, which is a page at most. A disk is to be known within milliseconds of its event, and a machine may list hundreds: so it's
// the plain calls, without what os.File does for files that may block.
func (s *Scanner) attribute(name, path string) string {
	fd, err := uninterrupted(func() (int, error) {
		return unix.Open(s.root.Path("sys/block", name, path), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return ""
	}
	defer unix.Close(fd) //nolint:errcheck // only read
	var page [4096]byte
	n, err := uninterrupted(func() (int, error) { return unix.Read(fd, page[:]) })
	if err != nil {
		return ""
	}
	return strings.TrimSpace(strings.ToValidUTF8(string(page[:n]), "?"))
}

// uninterrupted: the Go runtime sends signals to its own threads.
func uninterrupted(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR { //nolint:errorlint // a plain number
			return n, err
		}
	}
}

func (s *Scanner) text(path string) string {
	data, err := os.ReadFile(s.root.Path(path))
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(string(data), "?")
}

func (s *Scanner) has(name, path string) bool {
	_, err := os.Stat(s.root.Path("sys/block", name, path))
	return err == nil
}

// number is a device's major and minor.
type number struct{ major, minor uint32 }

func (n number) String() string { return fmt.Sprintf("%d:%d", n.major, n.minor) }

func parseNumber(s string) (number, bool) {
	a, b, ok := strings.Cut(s, ":")
	major, err1 := strconv.ParseUint(a, 10, 32)
	minor, err2 := strconv.ParseUint(b, 10, 32)
	return number{uint32(major), uint32(minor)}, ok && err1 == nil && err2 == nil
}

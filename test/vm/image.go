package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"scaleio-framework/test/nodes"
)

// Image is a machine's root disk and the kernels to boot it with, the older one first.
type Image struct {
	Disk    string
	Kernels [2]Kernel
}

// The root's partition is known by its PARTUUID: a kernel without an initrd finds no file system by its UUID, and disks change their names.
const (
	rootPartition = "5c1a1e10-0000-4000-8000-000000000001"
	rootOffset    = 1 << 20
	rootMiB       = 3072
)

// recipe is everything that decides what an image is; another recipe is another image in the cache.
type recipe struct {
	Suite    string
	Packages []string
	Releases []string
	Scini    string
	Files    map[string]string
	Links    map[string]string
}

// guestProgram is what the test talks to in the machine.
const guestProgram = "/usr/local/sbin/vm-guest"

// HeldBack is where the newer kernel waits until a test "installs" it by copying it to /boot.
const HeldBack = "/usr/share/vm-kernels"

func imageRecipe(releases []string) recipe {
	wanted := func(unit string) string { return "/etc/systemd/system/multi-user.target.wants/" + unit }
	r := recipe{
		Suite: "bookworm",
		Packages: []string{"systemd", "systemd-sysv", "dbus", "udev", "iproute2", "kmod", "e2fsprogs", "xfsprogs", "gdisk", "fdisk", "ca-certificates",
			"procps", "openssl", "libaio1", "numactl", "mdadm", "cryptsetup-bin", "dmsetup"},
		Releases: releases, Scini: sciniKey(),
		Files: map[string]string{
			"/usr/lib/os-release": osRelease,
			"/etc/issue":          "Debian 12 that presents Ubuntu 22.04's os-release, for tests \\n \\l\n",
			"/etc/hostname":       "vm\n",
			"/etc/hosts":          "127.0.0.1 localhost vm\n",
			"/etc/fstab":          "",
			"/etc/machine-id":     "",
			"/etc/systemd/journald.conf.d/persistent.conf": "[Journal]\nStorage=persistent\nSyncIntervalSec=5\nSystemMaxUse=64M\n",
			"/etc/systemd/network/eth0.network":            networkFile,
			"/etc/systemd/system/vm-guest.service":         guestUnit,
			HeldBack + "/README":                           "The newer kernel waits here until a test puts it to /boot.\n",
		},
		Links: map[string]string{
			wanted("vm-guest.service"):                                                             "../vm-guest.service",
			wanted("systemd-networkd.service"):                                                     "/lib/systemd/system/systemd-networkd.service",
			"/etc/systemd/system/sockets.target.wants/systemd-networkd.socket":                     "/lib/systemd/system/systemd-networkd.socket",
			"/etc/systemd/system/network-online.target.wants/systemd-networkd-wait-online.service": "/lib/systemd/system/systemd-networkd-wait-online.service",
		},
	}
	// Each costs seconds where every instruction is emulated.
	for _, unit := range []string{"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "fstrim.timer", "e2scrub_reap.service",
		"getty.target", "serial-getty@ttyS0.service", "mdcheck_start.timer", "mdcheck_continue.timer", "mdmonitor-oneshot.timer", "mdmonitor.service",
		"systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount", "modprobe@drm.service", "modprobe@efi_pstore.service", "modprobe@configfs.service",
		"systemd-pstore.service", "sys-kernel-config.mount", "sys-kernel-debug.mount", "sys-kernel-tracing.mount"} {
		r.Links["/etc/systemd/system/"+unit] = "/dev/null"
	}
	return r
}

const osRelease = `PRETTY_NAME="Ubuntu 22.04.5 LTS"
NAME="Ubuntu"
VERSION_ID="22.04"
VERSION="22.04.5 LTS (Jammy Jellyfish)"
VERSION_CODENAME=jammy
ID=ubuntu
ID_LIKE=debian
`

// hostAddress is the host as a machine sees it: qemu's user network gives what listens on the host's loopback.
const hostAddress = "10.0.2.2"

const networkFile = `[Match]
Name=eth0

[Network]
Address=10.0.2.15/24
Gateway=` + hostAddress + `
LinkLocalAddressing=no
IPv6AcceptRA=no
`

// The earliest unit that can be: what goes wrong at boot is looked at through it.
const guestUnit = `[Unit]
Description=What the test talks to
DefaultDependencies=no
After=systemd-remount-fs.service systemd-tmpfiles-setup-dev.service
Conflicts=shutdown.target

[Service]
ExecStart=` + guestProgram + `
Restart=no
OOMScoreAdjust=-1000

[Install]
WantedBy=multi-user.target
`

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:6])
}

func (r recipe) key() string {
	text, _ := json.Marshal(r) // maps are written in the order of their keys
	return "vm-" + digest(text)
}

// BuildImage returns the image for the kernels that apt offers now, made if the cache lacks it.
func BuildImage(ctx context.Context, log *slog.Logger) (Image, error) {
	releases, err := kernelReleases(ctx)
	if err != nil {
		return Image{}, err
	}
	r := imageRecipe(releases)
	dir, err := cached(r.key(), func(dir string) error { return r.build(ctx, dir, log) })
	if err != nil {
		return Image{}, fmt.Errorf("building the virtual machine's image: %w", err)
	}
	image := Image{Disk: filepath.Join(dir, "root.img")}
	for i, release := range releases {
		kernel := filepath.Join(dir, release)
		image.Kernels[i] = Kernel{
			Release: release, Image: filepath.Join(kernel, "vmlinuz"), Modules: filepath.Join(kernel, "modules", release), Scini: filepath.Join(kernel, "scini.ko"),
		}
	}
	return image, nil
}

func (r recipe) build(ctx context.Context, dir string, log *slog.Logger) error {
	log.Info("building the virtual machine's image (once): a minimal Debian 12 that presents Ubuntu 22.04's os-release", "kernels", strings.Join(r.Releases, " "))
	root := filepath.Join(dir, "root")
	defer os.RemoveAll(root)
	debootstrap := []string{"debootstrap", "--variant=minbase", "--include=" + strings.Join(r.Packages, ","), r.Suite, root}
	if archive := nodes.Archive(ctx, r.Suite); archive != "" {
		debootstrap = append(debootstrap, archive)
	}
	if _, err := output(ctx, "", nil, debootstrap...); err != nil {
		return err
	}
	for _, release := range r.Releases {
		kernel := filepath.Join(dir, release)
		if err := os.Mkdir(kernel, 0o755); err != nil {
			return fmt.Errorf("fetching kernel %s: %w", release, err)
		}
		log.Info("fetching a kernel with its headers", "kernel", release)
		if err := fetchKernel(ctx, release, kernel, log); err != nil {
			return err
		}
		if err := installModules(ctx, filepath.Join(kernel, "modules", release), root, release); err != nil {
			return err
		}
	}
	if err := nodes.Trim(root); err != nil {
		return err
	}
	if err := nodes.WriteFiles(root, r.Files, r.Links); err != nil {
		return err
	}
	// The older kernel is installed; the newer one waits for its test.
	for i, folder := range []string{"/boot", HeldBack} {
		if err := copyImage(ctx, filepath.Join(dir, r.Releases[i], "vmlinuz"), filepath.Join(root, folder, "vmlinuz-"+r.Releases[i])); err != nil {
			return err
		}
	}
	return makeDisk(ctx, root, filepath.Join(dir, "root.img"))
}

func installModules(ctx context.Context, from, root, release string) error {
	modules := filepath.Join(root, "usr/lib/modules")
	if err := os.MkdirAll(modules, 0o755); err != nil {
		return fmt.Errorf("installing modules of %s: %w", release, err)
	}
	if _, err := output(ctx, "", nil, "cp", "-a", from, modules+"/"); err != nil {
		return err
	}
	_, err := output(ctx, "", nil, "depmod", "-b", root, release)
	return err
}

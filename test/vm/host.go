package vm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// CacheDir keeps what is the same for every run.
const CacheDir = "/var/cache/scaleio-framework"

// hostTools that images, modules and machines are made with, and the Debian packages that have them.
var hostTools = map[string]string{
	"qemu-system-x86_64": "qemu-system-x86",
	"debootstrap":        "debootstrap",
	"mkfs.ext4":          "e2fsprogs",
	"debugfs":            "e2fsprogs",
	"sfdisk":             "fdisk",
	"depmod":             "kmod",
	"make":               "make",
	"gcc-12":             "gcc-12", // what Debian's headers name
	"strip":              "binutils",
	"dpkg-deb":           "dpkg",
}

// InstallTools installs the packages of missing commands with apt, and says which.
func InstallTools(ctx context.Context, log *slog.Logger) error {
	// A plain `su` leaves the sbin directories out.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin"); err != nil {
		return fmt.Errorf("setting the search path: %w", err)
	}
	var missing []string
	for tool, pkg := range hostTools {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, pkg)
		}
	}
	if _, err := os.Stat("/usr/lib/x86_64-linux-gnu/libelf.so.1"); err != nil {
		missing = append(missing, "libelf1") // objtool of the kernel's build
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	missing = slices.Compact(missing)
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("this machine lacks %s and apt-get to install them", strings.Join(missing, ", "))
	}
	log.Info("installing packages on this machine", "packages", strings.Join(missing, " "))
	if err := updateLists(ctx); err != nil {
		return err
	}
	_, err := output(ctx, "", nil, append([]string{"apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "-qq", "--no-install-recommends"}, missing...)...)
	return err
}

func updateLists(ctx context.Context) error {
	_, err := output(ctx, "", nil, "apt-get", "-o", "DPkg::Lock::Timeout=300", "update", "-qq")
	return err
}

// output runs a command of the host that must succeed.
func output(ctx context.Context, dir string, stdin io.Reader, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdin = dir, stdin
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return stdout.String(), fmt.Errorf("running %q: %w", argv, context.Cause(ctx))
	case err != nil:
		return stdout.String(), fmt.Errorf("running %q: %w: %s", argv, err, tail(stderr.String()+stdout.String()))
	}
	return stdout.String(), nil
}

// tail of what a command said: the end tells why.
func tail(text string) string {
	const enough = 2000
	text = strings.TrimSpace(text)
	if len(text) > enough {
		text = "..." + text[len(text)-enough:]
	}
	return text
}

// copyImage copies a disk image with its holes.
func copyImage(ctx context.Context, from, to string) error {
	_, err := output(ctx, "", nil, "cp", "--sparse=always", "--reflink=auto", from, to)
	return err
}

// cached returns the folder of this key in the cache, made by make in a temporary place if it isn't there.
func cached(key string, build func(dir string) error) (string, error) {
	dir := filepath.Join(CacheDir, key)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(CacheDir, 0o755); err != nil {
		return "", fmt.Errorf("making the cache: %w", err)
	}
	part, err := os.MkdirTemp(CacheDir, "part-vm-")
	if err != nil {
		return "", fmt.Errorf("making the cache: %w", err)
	}
	defer os.RemoveAll(part)
	if err := build(part); err != nil {
		return "", err
	}
	if err := os.Rename(part, dir); err != nil {
		return "", fmt.Errorf("filling the cache: %w", err)
	}
	return dir, nil
}

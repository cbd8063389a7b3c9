package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"scaleio-framework/test/zookeeper"
)

// hostTools are the commands that the demo needs of this machine, with the
// Debian and Ubuntu packages that have them.
var hostTools = map[string]string{
	"systemd-nspawn": "systemd-container",
	"debootstrap":    "debootstrap",
	"ip":             "iproute2",
	"mkfs.ext4":      "e2fsprogs",
	"sfdisk":         "fdisk",
	"losetup":        "mount",
	"nsenter":        "util-linux",
	"gpg":            "gpg",
	"gpg-agent":      "gpg-agent",
	"rpmbuild":       "rpm",
	"rpmsign":        "rpm",
	"createrepo_c":   "createrepo-c",
}

// installHostTools installs the packages of missing commands, and says which.
func installHostTools(ctx context.Context, log *slog.Logger) error {
	var missing []string
	for tool, pkg := range hostTools {
		if _, err := exec.LookPath(tool); err != nil && !slices.Contains(missing, pkg) {
			missing = append(missing, pkg)
		}
	}
	if zookeeper.Installed() != nil { // no command, but a jar and a Java
		missing = append(missing, zookeeper.Package, "default-jre-headless")
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("this machine lacks %s and apt-get to install them", strings.Join(missing, ", "))
	}
	log.Info("installing packages on this machine", "packages", strings.Join(missing, " "))
	if err := quietly(ctx, nil, "apt-get", "update", "-qq"); err != nil {
		return err
	}
	args := append([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing...)
	return quietly(ctx, []string{"DEBIAN_FRONTEND=noninteractive"}, "apt-get", args...)
}

// setPath makes commands findable that a plain `su` leaves out.
func setPath() error {
	return os.Setenv("PATH", strings.Join([]string{os.Getenv("PATH"), "/usr/local/sbin", "/usr/sbin", "/sbin"}, string(filepath.ListSeparator)))
}

// quietly runs a command and shows what it printed only if it fails.
func quietly(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	if printed, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s %s: %w\n%s", name, strings.Join(args, " "), err, printed)
	}
	return nil
}

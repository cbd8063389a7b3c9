package nodes

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"scaleio-framework/test/rpmbuild"
)

// rpmRepositoryURL is where dnf on the nodes looks for packages.
const rpmRepositoryURL = "http://" + Gateway + ":8099/rpm"

// rpmPackage is an empty package: what it stands for is in the root already, or
// nothing of it runs.
type rpmPackage struct {
	Name, Version, Release string
	Provides               []string
}

// rockyRecipe: rpm, dnf, systemd and D-Bus are Debian's own and real, as are the
// repository's signatures. The packages in it are empty. Nothing of apt and dpkg
// is left, so that nothing can work by their help.
func rockyRecipe() recipe {
	r := commonRecipe("Rocky Linux 9.3", rockyRelease)
	r.Packages = append(r.Packages, "rpm", "dnf", "python3-dnf", "gpg", "gpgv")
	r.Served = "rpm"
	r.RPMs = []rpmPackage{
		// What the database must know so that packages which need a shell can be
		// installed, and which release this is.
		{"rocky-release", "9.3", "1.3.el9", []string{"system-release = 9.3", "system-release(releasever) = 9", "redhat-release = 9.3"}},
		{"debian-root", "12", "1", []string{"/bin/sh", "/usr/bin/sh", "/bin/bash", "/usr/bin/bash", "bash = 5.1.8", "systemd = 252", "coreutils = 8.32", "glibc = 2.34"}},
		// What the product's packages need.
		{"libaio", "0.3.111", "13.el9", []string{"libaio.so.1()(64bit)"}},
		{"numactl", "2.0.16", "1.el9", nil},
		{"java-1.8.0-openjdk-headless", "1.8.0.392.b08", "3.el9", []string{"java-headless = 1:1.8.0"}},
		{"openssl", "3.0.7", "24.el9", nil},
		{"e2fsprogs", "1.46.5", "3.el9", nil},
		{"xfsprogs", "5.19.0", "4.el9", nil},
		{"python3", "3.9.18", "1.el9", nil},
		{"binutils", "2.35.2", "42.el9", nil},
		{"bash-completion", "2.11", "5.el9", nil},
	}
	r.Base = []string{"rocky-release", "debian-root"}
	r.Removed = debianTools
	r.Files["/etc/redhat-release"] = "Rocky Linux release 9.3 (Blue Onyx)\n"
	// Debian's rpm keeps its database in the home of whoever calls it.
	r.Files["/etc/rpm/macros"] = "%_dbpath /var/lib/rpm\n"
	r.Files["/etc/dnf/dnf.conf"] = "[main]\ngpgcheck=1\ninstallonly_limit=3\nclean_requirements_on_remove=True\nbest=True\nskip_if_unavailable=False\n"
	r.Files["/etc/yum.repos.d/node-mirror.repo"] = "[node-mirror]\nname=packages of the nodes\nbaseurl=" + rpmRepositoryURL +
		"\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=file://" + rpmKeyFile + "\n"
	return r
}

const rpmKeyFile = "/etc/pki/rpm-gpg/RPM-GPG-KEY-node-mirror"

const rockyRelease = `NAME="Rocky Linux"
VERSION="9.3 (Blue Onyx)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.3"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Rocky Linux 9.3 (Blue Onyx)"
ANSI_COLOR="0;32"
LOGO="fedora-logo-icon"
CPE_NAME="cpe:/o:rocky:rocky:9::baseos"
HOME_URL="https://rockylinux.org/"
BUG_REPORT_URL="https://bugs.rockylinux.org/"
SUPPORT_END="2032-05-31"
ROCKY_SUPPORT_PRODUCT="Rocky-Linux-9"
ROCKY_SUPPORT_PRODUCT_VERSION="9.3"
REDHAT_SUPPORT_PRODUCT="Rocky Linux"
REDHAT_SUPPORT_PRODUCT_VERSION="9.3"
`

// buildRPM makes the signed repository, lets the root trust its key, and enters
// the base packages into the root's database. The key lives as long as this
// function.
func (r recipe) buildRPM(ctx context.Context, dir, root string) error {
	key, err := rpmbuild.NewKey(ctx, "packages of the nodes")
	if err != nil {
		return err
	}
	defer key.Close()
	public, err := key.Public(ctx)
	if err != nil {
		return err
	}
	keyFile := filepath.Join(root, rpmKeyFile)
	if err := os.MkdirAll(filepath.Dir(keyFile), 0o755); err != nil {
		return fmt.Errorf("writing the repository's key: %w", err)
	}
	if err := os.WriteFile(keyFile, public, 0o644); err != nil {
		return fmt.Errorf("writing the repository's key: %w", err)
	}
	files := map[string]string{}
	for _, p := range r.RPMs {
		file, err := rpmbuild.Build(ctx, rpmbuild.Package{Name: p.Name, Version: p.Version, Release: p.Release, Provides: p.Provides,
			Summary: "stand-in, empty: nothing runs from it"}, filepath.Join(dir, "pool"))
		if err == nil {
			err = key.Sign(ctx, file)
		}
		if err != nil {
			return err
		}
		files[p.Name] = file
	}
	if _, err := output(ctx, "createrepo_c", "--quiet", dir); err != nil {
		return err
	}
	if err := key.SignDetached(ctx, filepath.Join(dir, "repodata/repomd.xml")); err != nil {
		return err
	}
	// The root's own rpm reads its own macros: the database is made where it will
	// look for it.
	if _, err := output(ctx, "chroot", root, "rpmkeys", "--import", rpmKeyFile); err != nil {
		return err
	}
	install := []string{"chroot", root, "rpm", "--install"}
	for _, name := range r.Base {
		place := filepath.Join("/tmp", filepath.Base(files[name]))
		data, err := os.ReadFile(files[name])
		if err == nil {
			err = os.WriteFile(filepath.Join(root, place), data, 0o644)
		}
		if err != nil {
			return fmt.Errorf("copying a base package: %w", err)
		}
		defer os.Remove(filepath.Join(root, place))
		install = append(install, place)
	}
	_, err = output(ctx, install...)
	return err
}

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// deb is a component's package for Ubuntu 22.04.
type deb struct {
	component
	version string // of the product
}

// full version, with the system that it is for.
func (d deb) full() string {
	if d.tagged {
		return d.version + ".Ubuntu.22.04"
	}
	return d.version
}

// fileName in the vendor's two forms.
func (d deb) fileName() string {
	if !d.tagged {
		return fmt.Sprintf("emc-scaleio-%s_%s_amd64.deb", d.name, d.full())
	}
	return fmt.Sprintf("EMC-ScaleIO-%s-%s.x86_64.deb", d.name, d.full())
}

func (d deb) control() string {
	return fmt.Sprintf(`Package: emc-scaleio-%s
Version: %s
Architecture: amd64
Maintainer: ScaleIO Framework
Section: admin
Priority: optional
Depends: %s
Description: stand-in for the ScaleIO %s, for tests
 Not the vendor's software: same package name, paths, units, ports and environment.
`, d.name, d.full(), d.debDepends, d.description)
}

func (d deb) build(out, binary string) error {
	root, err := os.MkdirTemp("", "deb-"+d.name+"-")
	if err != nil {
		return fmt.Errorf("making the package's tree: %w", err)
	}
	defer os.RemoveAll(root)
	if err := os.Chmod(root, 0o755); err != nil {
		return fmt.Errorf("opening the package's tree: %w", err)
	}
	if err := d.lay(root, binary); err != nil {
		return err
	}
	if err := put(filepath.Join(root, "DEBIAN/control"), []byte(d.control()), 0o644); err != nil {
		return err
	}
	// gzip: the fastest to build and to install. A fixed date gives the same file for the same content.
	build := exec.Command("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", root, out)
	build.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "LC_ALL=C")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("running dpkg-deb: %w: %s", err, output)
	}
	return nil
}

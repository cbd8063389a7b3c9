package main

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

//go:embed files
var files embed.FS

// deb is one package: files/<component> has its maintainer scripts in DEBIAN and what it installs in root.
type deb struct {
	component   string
	osTag       string // the gateway's file has none
	description string
	depends     string
	programs    []string          // places of the multi-call binary; its base name says which part it plays
	links       map[string]string // symbolic links to install
}

var debs = []deb{
	{"mdm", ".Ubuntu.22.04", "metadata manager or tie-breaker", "libaio1, numactl", []string{"/opt/emc/scaleio/mdm/bin/mdm"},
		map[string]string{"/bin/scli": "/opt/emc/scaleio/mdm/bin/scli", "/opt/emc/scaleio/mdm/bin/scli": "mdm"}},
	{"sds", ".Ubuntu.22.04", "data server", "libaio1, numactl", []string{"/opt/emc/scaleio/sds/bin/sds"}, nil},
	{"sdc", ".Ubuntu.22.04", "data client", "libaio1, numactl", []string{"/opt/emc/scaleio/sdc/bin/drv_cfg"},
		map[string]string{"/opt/emc/scaleio/sdc/bin/scini": "drv_cfg"}},
	{"gateway", "", "REST gateway", "openjdk-8-jre-headless", []string{"/opt/emc/scaleio/gateway/bin/gateway"}, nil},
}

func (d deb) version() string { return version + d.osTag }

// fileName in the vendor's two forms.
func (d deb) fileName() string {
	if d.osTag == "" {
		return fmt.Sprintf("emc-scaleio-%s_%s_amd64.deb", d.component, d.version())
	}
	return fmt.Sprintf("EMC-ScaleIO-%s-%s.x86_64.deb", d.component, d.version())
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
`, d.component, d.version(), d.depends, d.description)
}

func (d deb) build(out, binary string) error {
	root, err := os.MkdirTemp("", "deb-"+d.component+"-")
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
	// gzip: the fastest to build and to install. A fixed date gives the same file for the same content.
	build := exec.Command("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", root, out)
	build.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "LC_ALL=C")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("running dpkg-deb: %w: %s", err, output)
	}
	return nil
}

// lay puts the package's tree together.
func (d deb) lay(root, binary string) error {
	base := path.Join("files", d.component)
	err := fs.WalkDir(files, base, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(name, base), "/root")
		return put(filepath.Join(root, rel), content, modeOf(rel))
	})
	if err != nil {
		return err
	}
	if err := put(filepath.Join(root, "DEBIAN/control"), []byte(d.control()), 0o644); err != nil {
		return err
	}
	for _, program := range d.programs {
		target := filepath.Join(root, program)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := copyFile(target, binary, 0o755); err != nil {
			return err
		}
	}
	for link, to := range d.links {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, link)), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			return err
		}
	}
	return nil
}

// modeOf: scripts run, the rest is data.
func modeOf(name string) os.FileMode {
	if strings.HasSuffix(name, ".sh") || path.Dir(name) == "/DEBIAN" && path.Base(name) != "conffiles" {
		return 0o755
	}
	return 0o644
}

func put(name string, content []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, content, mode)
}

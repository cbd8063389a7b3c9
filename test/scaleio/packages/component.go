package main

import (
	"embed"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

//go:embed files
var files embed.FS

// component is one package of the product: files/<name> has its maintainer scripts in DEBIAN and what it installs in root.
type component struct {
	name        string
	tagged      bool // its files' names say for which system they are; the gateway's don't
	siob        bool // for Ubuntu it is delivered wrapped in a tar: with one of them both ways are walked
	description string
	debDepends  string
	rpmRequires []string
	programs    []string          // places of the multi-call binary; its base name says which part it plays
	links       map[string]string // symbolic links to install
}

var components = []component{
	{"mdm", true, false, "metadata manager or tie-breaker", "libaio1, numactl", []string{"libaio", "numactl"}, []string{"/opt/emc/scaleio/mdm/bin/mdm"},
		map[string]string{"/bin/scli": "/opt/emc/scaleio/mdm/bin/scli", "/opt/emc/scaleio/mdm/bin/scli": "mdm"}},
	{"sds", true, true, "data server", "libaio1, numactl", []string{"libaio", "numactl"}, []string{"/opt/emc/scaleio/sds/bin/sds"}, nil},
	{"sdc", true, false, "data client", "libaio1, numactl", []string{"libaio", "numactl"}, []string{"/opt/emc/scaleio/sdc/bin/drv_cfg"},
		map[string]string{"/opt/emc/scaleio/sdc/bin/scini": "drv_cfg"}},
	{"gateway", false, false, "REST gateway", "openjdk-8-jre-headless", []string{"java-1.8.0-openjdk-headless"}, []string{"/opt/emc/scaleio/gateway/bin/gateway"}, nil},
}

// lay puts the package's tree together, with the maintainer scripts in DEBIAN.
func (c component) lay(root, binary string) error {
	base := path.Join("files", c.name)
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
	for _, program := range c.programs {
		target := filepath.Join(root, program)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := copyFile(target, binary, 0o755); err != nil {
			return err
		}
	}
	for link, to := range c.links {
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

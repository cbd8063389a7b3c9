package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"scaleio-framework/test/rpmbuild"
)

// rpm is a component's package for Enterprise Linux 9.
type rpm struct {
	component
	version string // of the product
}

func (r rpm) release() string {
	_, release, _ := strings.Cut(r.version, "-")
	if r.tagged {
		release += ".el9"
	}
	return release
}

// full version, as the vendor writes it.
func (r rpm) full() string {
	major, _, _ := strings.Cut(r.version, "-")
	return major + "-" + r.release()
}

// build the package in a directory, signed.
func (r rpm) build(ctx context.Context, dir, binary string, key *rpmbuild.Key) (file string, err error) {
	root, err := os.MkdirTemp("", "rpm-"+r.name+"-")
	if err != nil {
		return "", fmt.Errorf("making the package's tree: %w", err)
	}
	defer os.RemoveAll(root)
	if err := r.lay(root, binary); err != nil {
		return "", err
	}
	scripts, config, err := r.takeScripts(filepath.Join(root, "DEBIAN"))
	if err != nil {
		return "", err
	}
	major, _, _ := strings.Cut(r.version, "-")
	file, err = rpmbuild.Build(ctx, rpmbuild.Package{
		Name: "EMC-ScaleIO-" + r.name, Version: major, Release: r.release(), Arch: "x86_64",
		Summary: "stand-in for the ScaleIO " + r.description + ", for tests", Description: "Not the vendor's software: same package name, paths, units, ports and environment.",
		Requires: append([]string{"/bin/sh"}, r.rpmRequires...), Content: root, Config: config, Scripts: scripts,
	}, dir)
	if err != nil {
		return "", err
	}
	return file, key.Sign(ctx, file)
}

// preludes turn rpm's way to call scripts into dpkg's, so that both kinds of packages share them. rpm tells how many versions there will be; on an upgrade the
// new version's scripts run before the old one's %preun, so what has to stop stops in %pre.
var preludes = map[string]struct{ script, prelude string }{
	"pre":    {"preinst", "if [ \"$1\" -gt 1 ]; then set -- upgrade; if [ -x DELETE ]; then DELETE; fi; else set -- install; fi"},
	"post":   {"postinst", "set -- configure"},
	"preun":  {"prerm", "[ \"$1\" = 0 ] || exit 0\nset -- remove"},
	"postun": {"postrm", "[ \"$1\" = 0 ] || exit 0\nset -- remove"},
}

// takeScripts moves the maintainer scripts out of the tree.
func (r rpm) takeScripts(dir string) (scripts map[string]string, config []string, err error) {
	scripts = map[string]string{}
	for section, p := range preludes {
		body, err := os.ReadFile(filepath.Join(dir, p.script))
		if err != nil && !os.IsNotExist(err) {
			return nil, nil, err
		}
		prelude := strings.ReplaceAll(p.prelude, "DELETE", "/opt/emc/scaleio/"+r.name+"/bin/delete_service.sh")
		scripts[section] = prelude + "\n" + string(body)
	}
	if listed, err := os.ReadFile(filepath.Join(dir, "conffiles")); err == nil {
		config = strings.Fields(string(listed))
	}
	return scripts, config, os.RemoveAll(dir)
}

package rpmbuild

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Package is what an .rpm is made of.
type Package struct {
	Name, Version, Release string
	Arch                   string // "" = noarch
	Summary                string
	Description            string
	Provides, Requires     []string
	Content                string            // a directory whose files are installed as they lie there; "" = none
	Config                 []string          // files of it that a person may change
	Scripts                map[string]string // by section: "pre", "post", "preun", "postun"; run by /bin/sh
}

// epoch of every package's times: the same content gives the same file.
const epoch = "1700000000"

// Build writes the package to a directory and returns its path.
func Build(ctx context.Context, p Package, dir string) (string, error) {
	work, err := os.MkdirTemp("", "rpm-"+p.Name+"-")
	if err != nil {
		return "", fmt.Errorf("building %s: %w", p.Name, err)
	}
	defer os.RemoveAll(work)
	spec, err := p.spec()
	if err != nil {
		return "", fmt.Errorf("building %s: %w", p.Name, err)
	}
	file := filepath.Join(work, "package.spec")
	if err := os.WriteFile(file, []byte(spec), 0o600); err != nil {
		return "", fmt.Errorf("building %s: %w", p.Name, err)
	}
	build := exec.CommandContext(ctx, "rpmbuild", "-bb", "--quiet", "--target", p.arch()+"-linux", "--define", "_topdir "+work, "--define", "_rpmdir "+work+"/out", file)
	build.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+epoch, "LC_ALL=C")
	if printed, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w: %s", p.Name, err, printed)
	}
	built := filepath.Join(work, "out", p.arch(), p.FileName())
	data, err := os.ReadFile(built)
	if err != nil {
		return "", fmt.Errorf("building %s: %w", p.Name, err)
	}
	target := filepath.Join(dir, p.FileName())
	if err := os.WriteFile(target, data, 0o644); err != nil {
		return "", fmt.Errorf("building %s: %w", p.Name, err)
	}
	return target, nil
}

// FileName as rpmbuild would call it.
func (p Package) FileName() string {
	return fmt.Sprintf("%s-%s-%s.%s.rpm", p.Name, p.Version, p.Release, p.arch())
}

func (p Package) arch() string {
	if p.Arch == "" {
		return "noarch"
	}
	return p.Arch
}

// settings keep rpmbuild from looking into, stripping or adding to what is packed, and make its output depend on nothing else.
const settings = `%global debug_package %{nil}
%global __os_install_post %{nil}
%global _build_id_links none
%global _binary_payload w1.gzdio
%global _buildhost build.example.org
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1
`

func (p Package) spec() (string, error) {
	var text strings.Builder
	text.WriteString(settings)
	description := p.Description
	if description == "" {
		description = p.Summary
	}
	fmt.Fprintf(&text, "Name: %s\nVersion: %s\nRelease: %s\nSummary: %s\nLicense: Apache-2.0\nAutoReqProv: no\n", p.Name, p.Version, p.Release, p.Summary)
	if p.arch() == "noarch" {
		text.WriteString("BuildArch: noarch\n")
	}
	for _, provided := range p.Provides {
		fmt.Fprintf(&text, "Provides: %s\n", provided)
	}
	for _, required := range p.Requires {
		fmt.Fprintf(&text, "Requires: %s\n", required)
	}
	fmt.Fprintf(&text, "\n%%description\n%s\n\n%%install\n", description)
	if p.Content != "" {
		fmt.Fprintf(&text, "cp -a '%s'/. %%{buildroot}/\n", p.Content)
	}
	for _, section := range slices.Sorted(maps.Keys(p.Scripts)) {
		// rpm expands macros in scripts too.
		fmt.Fprintf(&text, "\n%%%s -p /bin/sh\n%s\n", section, strings.ReplaceAll(strings.TrimSpace(p.Scripts[section]), "%", "%%"))
	}
	text.WriteString("\n%files\n%defattr(-,root,root,-)\n")
	files, err := p.files()
	if err != nil {
		return "", err
	}
	text.WriteString(files)
	return text.String(), nil
}

func (p Package) files() (string, error) {
	if p.Content == "" {
		return "", nil
	}
	var text strings.Builder
	err := filepath.WalkDir(p.Content, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name := strings.TrimPrefix(path, p.Content)
		if slices.Contains(p.Config, name) {
			name = "%config(noreplace) " + name
		}
		text.WriteString(name + "\n")
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("listing %s: %w", p.Content, err)
	}
	return text.String(), nil
}

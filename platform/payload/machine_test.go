package payload_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/payload"
	"scaleio-framework/platform/pkgmgr"
	"scaleio-framework/platform/platformtest"
)

const (
	name   = "EMC-ScaleIO-mdm"
	conf   = "/opt/emc/scaleio/mdm/cfg/conf.txt"
	daemon = "/opt/emc/scaleio/mdm/bin/mdm"
)

// machine is a system with a read-only /usr: a folder of files, and a PID 1 that merges extensions by copying them into usr.
type machine struct {
	t     testing.TB
	root  string
	calls []string
	fail  map[string]error
	packs *payload.Packages

	recipe func(pkg, version string) payload.Recipe // nil = that of the MDM
	cutter *platformtest.Cutter                     // nil = nothing is cut
}

func newMachine(t testing.TB) *machine {
	m := &machine{t: t, root: memory(t), fail: map[string]error{}}
	for _, dir := range []string{"usr/bin", "usr/share", "usr/lib/systemd/system", "usr/lib64", "opt", "etc/systemd/system", "var/lib", "var/cache"} {
		require.NoError(t, os.MkdirAll(filepath.Join(m.root, dir), 0o755))
	}
	for name, target := range map[string]string{"bin": "usr/bin", "sbin": "usr/sbin", "usr/sbin": "bin", "lib": "usr/lib", "lib64": "usr/lib64"} {
		require.NoError(t, os.Symlink(target, filepath.Join(m.root, name)))
	}
	m.write("/usr/lib/os-release", "ID=flatcar\nVERSION_ID=4459.0.0\nSYSEXT_LEVEL=\"1.0\"\n")
	m.again()
	return m
}

// memory is a folder without a disk behind it, where there is one: every file of a package is synced.
func memory(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "payload-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// again is the agent started anew.
func (m *machine) again() {
	var files payload.Files = platform.NewFiles(platform.Root(m.root))
	if m.cutter != nil {
		files = cutFiles{files, m.cutter}
	}
	of := recipe
	if m.recipe != nil {
		of = func(pkg, version string) (payload.Recipe, error) { return m.recipe(pkg, version), nil }
	}
	m.packs = payload.New(platform.Root(m.root), payload.Host{Files: files, Units: m, RunJob: m.runJob, OSID: "flatcar"}, of)
}

func recipe(pkg, version string) (payload.Recipe, error) {
	if !strings.HasPrefix(pkg, "EMC-ScaleIO-") {
		return payload.Recipe{}, fmt.Errorf("package %s isn't known: %w", pkg, platform.ErrUnsupported)
	}
	return payload.Recipe{
		Extension: "scaleio-mdm", Dirs: []string{"/opt/emc/scaleio/mdm/logs", filepath.Dir(conf)},
		Units:   map[string]string{"mdm.service": "[Service]\nExecStart=" + daemon + "\n"},
		DropIns: map[string]string{"mdm.service": "[Service]\nNoNewPrivileges=yes\n"},
		Config:  []string{conf},
		Configure: func(files payload.Files, env map[string]string) error {
			if _, err := files.Read(conf); !errors.Is(err, platform.ErrNotFound) {
				return err
			}
			return files.Write(conf, []byte("role="+env["ROLE"]+"\n"), 0o644)
		},
	}, nil
}

func (m *machine) say(call string) error {
	if m.cutter != nil {
		return m.cutter.Do(call, func() error { return nil })
	}
	m.calls = append(m.calls, call)
	return m.fail[call]
}

func (m *machine) Reload(context.Context) error                { return m.say("reload") }
func (m *machine) Enable(_ context.Context, unit string) error { return m.say("enable " + unit) }
func (m *machine) Start(_ context.Context, unit string) error  { return m.say("start " + unit) }
func (m *machine) Stop(_ context.Context, unit string) error   { return m.say("stop " + unit) }

// runJob merges as systemd-sysext does: what was merged before goes, what is in /var/lib/extensions comes.
func (m *machine) runJob(_ context.Context, job pkgmgr.Job) error {
	require.Equal(m.t, []string{"/usr/bin/systemd-sysext", "refresh"}, job.Argv)
	if err := m.say("merge"); err != nil {
		return err
	}
	m.unmerge()
	return m.merge()
}

func (m *machine) merge() error {
	extensions, _ := filepath.Glob(filepath.Join(m.root, "var/lib/extensions/*"))
	for _, ext := range extensions {
		err := filepath.WalkDir(ext, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			place := filepath.Join(m.root, strings.TrimPrefix(file, ext))
			if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
				return err
			}
			if d.Type()&fs.ModeSymlink != 0 {
				target, _ := os.Readlink(file)
				return os.Symlink(target, place)
			}
			return os.Link(file, place)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// unmerge gives /usr back as the system brought it.
func (m *machine) unmerge() {
	for _, f := range []string{"usr/bin/scli", "usr/lib/extension-release.d", "usr/share/emc"} {
		require.NoError(m.t, os.RemoveAll(filepath.Join(m.root, f)))
	}
}

func (m *machine) write(path, content string) {
	full := filepath.Join(m.root, path)
	require.NoError(m.t, os.MkdirAll(filepath.Dir(full), 0o755))
	require.NoError(m.t, os.WriteFile(full, []byte(content), 0o644))
}

func (m *machine) read(path string) string {
	data, err := os.ReadFile(filepath.Join(m.root, path))
	require.NoError(m.t, err)
	return string(data)
}

func (m *machine) mode(path string) fs.FileMode {
	info, err := os.Lstat(filepath.Join(m.root, path))
	require.NoError(m.t, err)
	return info.Mode()
}

// tree lists everything but the system's own.
func (m *machine) tree() []string {
	var all []string
	for _, top := range []string{"opt", "etc", "var/lib"} {
		_ = filepath.WalkDir(filepath.Join(m.root, top), func(file string, d fs.DirEntry, err error) error {
			require.NoError(m.t, err)
			all = append(all, strings.TrimPrefix(file, m.root))
			return nil
		})
	}
	return all
}

// put a package where the downloads are.
func (m *machine) put(r rpmFile) string {
	path := "/var/cache/" + r.name + "-" + r.version + "-" + r.release + ".rpm"
	m.write(path, string(r.build()))
	return path
}

func mdm(version string, more ...rpmEntry) rpmFile {
	return rpmFile{name: name, version: version, release: "700.103.el9", files: append([]rpmEntry{
		link("/bin/scli", "/opt/emc/scaleio/mdm/bin/scli"),
		file("/lib/systemd/system/mdm.service", "[Service]\nExecStart="+daemon+"\n# "+version+"\n"),
		dir("/opt/emc"),
		rpmEntry{name: "/opt/emc/scaleio/mdm/bin/create_service.sh", mode: 0o100750, content: "#!/bin/sh\n"},
		program(daemon, "program "+version),
		link("/opt/emc/scaleio/mdm/bin/scli", "mdm"),
	}, more...)}
}

func (m *machine) state() platform.PackageState {
	m.t.Helper()
	state, err := m.packs.State(m.t.Context(), name)
	require.NoError(m.t, err)
	return state
}

func (m *machine) installed(version string) {
	m.t.Helper()
	assert.Equal(m.t, platform.PackageState{Version: version + "-700.103.el9", Configured: true}, m.state())
}

package payload_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/pkgmgr"
)

func TestInstall_unpacksAndConfigures(t *testing.T) {
	m := newMachine(t)
	_, err := m.packs.State(t.Context(), name)
	require.ErrorIs(t, err, platform.ErrNotFound)
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.6")), map[string]string{"ROLE": "manager"}))
	m.installed("3.6")

	assert.Equal(t, "program 3.6", m.read(daemon))
	assert.Equal(t, fs.FileMode(0o755), m.mode(daemon))
	assert.Equal(t, fs.FileMode(0o750), m.mode("/opt/emc/scaleio/mdm/bin/create_service.sh"))
	assert.Equal(t, "role=manager\n", m.read(conf))
	assert.Contains(t, m.read("/etc/systemd/system/mdm.service"), "# 3.6", "the package's own unit, where PID 1 finds it")
	assert.Contains(t, m.read("/etc/systemd/system/mdm.service.d/10-scaleio-agent.conf"), "NoNewPrivileges")
	assert.DirExists(t, filepath.Join(m.root, "opt/emc/scaleio/mdm/logs"))
	assert.Equal(t, "ID=flatcar\nSYSEXT_LEVEL=1.0\n", m.read("/var/lib/extensions/scaleio-mdm/usr/lib/extension-release.d/extension-release.scaleio-mdm"))
	target, err := os.Readlink(filepath.Join(m.root, "usr/bin/scli"))
	require.NoError(t, err)
	assert.Equal(t, "/opt/emc/scaleio/mdm/bin/scli", target)
	assert.NoDirExists(t, filepath.Join(m.root, "var/lib/extensions/scaleio-mdm/opt"), "an extension with /opt would make all of /opt read-only")
	assert.Equal(t, []string{"enable systemd-sysext.service", "merge", "reload", "reload", "enable mdm.service"}, m.calls)

	before := m.tree()
	m.calls = nil
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.6")), nil))
	m.installed("3.6")
	assert.Equal(t, before, m.tree())
	assert.Equal(t, "role=manager\n", m.read(conf))
	assert.NotContains(t, m.calls, "merge", "nothing under /usr changed")
}

func TestState_drift(t *testing.T) {
	for what, harm := range map[string]func(m *machine, at string) error{
		"removed":       func(_ *machine, at string) error { return os.Remove(at) },
		"other content": func(_ *machine, at string) error { return os.WriteFile(at, []byte("program 3.7"), 0o755) },
		"other size":    func(_ *machine, at string) error { return os.WriteFile(at, []byte("x"), 0o755) },
		"other mode":    func(_ *machine, at string) error { return os.Chmod(at, 0o700) },
		"a link": func(_ *machine, at string) error {
			return errors.Join(os.Remove(at), os.Symlink("/bin/sh", at))
		},
		"its unit":      func(m *machine, _ string) error { return os.Remove(m.root + "/etc/systemd/system/mdm.service") },
		"its drop-in":   func(m *machine, _ string) error { return os.RemoveAll(m.root + "/etc/systemd/system/mdm.service.d") },
		"its extension": func(m *machine, _ string) error { return os.RemoveAll(m.root + "/var/lib/extensions") },
		"not merged":    func(m *machine, _ string) error { m.unmerge(); return nil },
		"its configuration": func(m *machine, _ string) error {
			return os.Remove(m.root + conf)
		},
		"its folder": func(m *machine, _ string) error { return os.Remove(m.root + "/opt/emc/scaleio/mdm/logs") },
	} {
		t.Run(what, func(t *testing.T) {
			m := newMachine(t)
			pkg := m.put(mdm("3.6"))
			require.NoError(t, m.packs.Install(t.Context(), pkg, nil))
			m.installed("3.6")
			require.NoError(t, harm(m, filepath.Join(m.root, daemon)))
			assert.False(t, m.state().Configured)
			require.NoError(t, m.packs.Install(t.Context(), pkg, nil))
			m.installed("3.6")
		})
	}
}

// What others are meant to change isn't drift.
func TestState_configurationIsOthers(t *testing.T) {
	m := newMachine(t)
	shipped := rpmEntry{name: "/etc/emc/shipped.conf", mode: 0o100644, content: "default", flags: 1}
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.6", shipped)), nil))
	m.write(conf, "role=tie-breaker\n")
	m.installed("3.6")
	m.write("/etc/emc/shipped.conf", "a person's")
	m.installed("3.6")
	shipped.content = "new default"
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.7", shipped)), nil))
	assert.Equal(t, "a person's", m.read("/etc/emc/shipped.conf"))
	assert.Equal(t, "role=tie-breaker\n", m.read(conf))
	m.installed("3.7")
}

func TestInstall_upgrade(t *testing.T) {
	m := newMachine(t)
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.6", file("/opt/emc/scaleio/mdm/old/gone", "x"), file("/usr/share/emc/old", "x"))), map[string]string{"ROLE": "manager"}))
	m.calls = nil
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.7", file("/opt/emc/scaleio/mdm/new", "y"))), map[string]string{"ROLE": "other"}))
	m.installed("3.7")
	assert.Equal(t, []string{"stop mdm.service", "enable systemd-sysext.service", "merge", "reload", "reload", "enable mdm.service", "start mdm.service"}, m.calls)
	assert.Equal(t, "program 3.7", m.read(daemon))
	assert.Equal(t, "role=manager\n", m.read(conf), "configuration outlives an upgrade")
	assert.NoFileExists(t, filepath.Join(m.root, "opt/emc/scaleio/mdm/old/gone"))
	assert.NoDirExists(t, filepath.Join(m.root, "opt/emc/scaleio/mdm/old"))
	assert.NoFileExists(t, filepath.Join(m.root, "usr/share/emc/old"))

	var failed *pkgmgr.Error
	require.ErrorAs(t, m.packs.Install(t.Context(), m.put(mdm("3.6")), nil), &failed)
	assert.Equal(t, pkgmgr.Downgrade, failed.Kind)
	m.installed("3.7")
}

func TestRemove_takesWhatItPut(t *testing.T) {
	m := newMachine(t)
	m.write("/opt/emc/scaleio/mdm/logs/trc.0", "")
	m.write("/opt/other", "")
	before := append(m.tree(), "/var/lib/extensions", "/var/lib/scaleio-agent", "/var/lib/scaleio-agent/payload")
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.6")), nil))
	require.NoError(t, os.MkdirAll(m.root+"/etc/systemd/system/multi-user.target.wants", 0o755))
	require.NoError(t, os.Symlink("../mdm.service", m.root+"/etc/systemd/system/multi-user.target.wants/mdm.service"))
	m.calls = nil
	require.NoError(t, m.packs.Remove(t.Context(), name))
	_, err := m.packs.State(t.Context(), name)
	require.ErrorIs(t, err, platform.ErrNotFound)
	assert.Equal(t, "stop mdm.service", m.calls[0])
	assert.Contains(t, m.calls, "merge")
	after := m.tree()
	for _, left := range after {
		assert.Contains(t, append(before, "/etc/systemd/system/multi-user.target.wants"), left)
	}
	assert.Contains(t, after, "/opt/emc/scaleio/mdm/logs/trc.0", "what the package didn't bring stays")
	assert.NoFileExists(t, filepath.Join(m.root, "usr/bin/scli"))
	require.NoError(t, m.packs.Remove(t.Context(), name), "twice is fine")
}

func TestInstall_refuses(t *testing.T) {
	for what, c := range map[string]struct {
		entry rpmEntry
		want  string
	}{
		"a way out":              {file("/opt/../etc/passwd", "x"), "clean absolute path"},
		"a relative name":        {file("opt/x", "x"), "clean absolute path"},
		"another place":          {file("/home/core/.ssh/authorized_keys", "x"), "has no place here"},
		"a new top":              {file("/emc/x", "x"), "has no place here"},
		"a device":               {rpmEntry{name: "/opt/emc/sda", mode: 0o060600}, "device"},
		"another's rights":       {rpmEntry{name: "/opt/emc/su", mode: 0o104755, content: "x"}, "another's rights"},
		"another owner":          {rpmEntry{name: "/opt/emc/x", mode: 0o100644, owner: "tomcat"}, "belongs to tomcat"},
		"a content that isn't":   {rpmEntry{name: "/opt/emc/x", mode: 0o100644, content: "x", digest: strings.Repeat("0", 64)}, "its list says"},
		"a link that goes round": {file("/opt/loop/x", "x"), "go round"},
		"a name not of letters":  {file("/opt/emc/\x8b", "x"), "isn't UTF-8"}, // the record would name another file, and this one stay for ever
		"a target not of them":   {link("/opt/emc/x", "\x8b"), "isn't UTF-8"},
	} {
		t.Run(what, func(t *testing.T) {
			m := newMachine(t)
			require.NoError(t, os.Symlink("loop", m.root+"/opt/loop"))
			err := m.packs.Install(t.Context(), m.put(mdm("3.6", c.entry)), nil)
			require.ErrorContains(t, err, c.want)
			state, err := m.packs.State(t.Context(), name)
			assert.True(t, errors.Is(err, platform.ErrNotFound) || !state.Configured)
		})
	}
	m := newMachine(t)
	err := m.packs.Install(t.Context(), m.put(mdm("3.6", link("/opt/emc/etc", "/etc"), file("/opt/emc/etc/passwd", "x"))), nil)
	require.ErrorContains(t, err, "which is a link")
	err = m.packs.Install(t.Context(), m.put(mdm("3.6", file("/opt/emc/x", "x"), file("/opt/emc/x/y", "y"))), nil)
	require.ErrorContains(t, err, "which is a file")
	err = m.packs.Install(t.Context(), m.put(mdm("3.6", file("/opt/emc/x", "x"), dir("/opt/emc/x"))), nil)
	require.ErrorContains(t, err, "/opt/emc/x twice")
	m.write("/var/cache/text.rpm", "not one")
	var failed *pkgmgr.Error
	require.ErrorAs(t, m.packs.Install(t.Context(), "/var/cache/text.rpm", nil), &failed)
	assert.Equal(t, pkgmgr.NotAPackage, failed.Kind)
	require.ErrorContains(t, m.packs.Install(t.Context(), m.put(rpmFile{name: "EMC-ScaleIO-\x8bdm", version: "1", release: "1"}), nil), "isn't UTF-8")
	require.ErrorIs(t, m.packs.Install(t.Context(), m.put(rpmFile{name: "other", version: "1", release: "1"}), nil), platform.ErrUnsupported)
	require.ErrorIs(t, m.packs.Require(t.Context(), "libaio"), platform.ErrUnsupported)
	assert.Empty(t, m.calls)
}

func TestInstall_hardLinks(t *testing.T) {
	m := newMachine(t)
	a, b := program("/opt/emc/a", "shared"), program("/opt/emc/b", "shared")
	a.inode, b.inode = 7, 7
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.6", a, b)), nil))
	m.installed("3.6")
	assert.Equal(t, "shared", m.read("/opt/emc/a"))
	assert.Equal(t, "shared", m.read("/opt/emc/b"))
}

// A unit that a person masked stays masked.
func TestInstall_masked(t *testing.T) {
	m := newMachine(t)
	require.NoError(t, os.Symlink("/dev/null", m.root+"/etc/systemd/system/mdm.service"))
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.6")), nil))
	m.installed("3.6")
	assert.NotContains(t, m.calls, "enable mdm.service")
	require.NoError(t, os.Remove(m.root+"/etc/systemd/system/mdm.service")) // systemctl unmask
	assert.False(t, m.state().Configured)
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.6")), nil))
	m.installed("3.6")
	require.NoError(t, os.Remove(m.root+"/etc/systemd/system/mdm.service"))
	require.NoError(t, os.Symlink("/dev/null", m.root+"/etc/systemd/system/mdm.service"))
	m.installed("3.6")
}

// What the vendor's programs need and the system lacks is said by name, before anything says "configured".
func TestInstall_missingLibrary(t *testing.T) {
	m := newMachine(t)
	shell, err := os.ReadFile("/bin/sh")
	require.NoError(t, err)
	pkg := m.put(mdm("3.6", program("/opt/emc/scaleio/mdm/bin/sh", string(shell))))
	err = m.packs.Install(t.Context(), pkg, nil)
	require.ErrorContains(t, err, "needs the loader /lib64/ld-linux-x86-64.so.2")
	assert.False(t, m.state().Configured)
	m.write("/usr/lib64/ld-linux-x86-64.so.2", "")
	require.ErrorContains(t, m.packs.Install(t.Context(), pkg, nil), "needs the library libc.so.6")
	m.write("/usr/lib64/libc.so.6", "")
	require.NoError(t, m.packs.Install(t.Context(), pkg, nil))
	m.installed("3.6")
	require.NoError(t, os.Remove(m.root+"/usr/lib64/libc.so.6"))
	m.again() // the library went with the old system: this process runs on the new one
	assert.False(t, m.state().Configured)
}

// The installation is cut off at every call to PID 1; what is left is never called configured, and ends well after all.
func TestInstall_cutAnywhere(t *testing.T) {
	cut := errors.New("cut off")
	for _, from := range []string{"", "3.6"} {
		for _, call := range []string{"enable systemd-sysext.service", "merge", "reload", "enable mdm.service", "stop mdm.service"} {
			t.Run(from+" "+call, func(t *testing.T) {
				m := newMachine(t)
				if from != "" {
					require.NoError(t, m.packs.Install(t.Context(), m.put(mdm(from, file("/usr/share/emc/old", "x"))), map[string]string{"ROLE": "manager"}))
				}
				pkg := m.put(mdm("3.7", file("/usr/share/emc/new", "x")))
				m.calls, m.fail[call] = nil, cut
				err := m.packs.Install(t.Context(), pkg, map[string]string{"ROLE": "manager"})
				if !slices.Contains(m.calls, call) {
					require.Empty(t, from, "an upgrade comes by each")
					return // a first installation doesn't
				}
				require.ErrorIs(t, err, cut)
				assert.False(t, m.state().Configured)
				delete(m.fail, call)
				m.again()
				require.NoError(t, m.packs.Recover(t.Context()))
				if from != "" {
					m.installed("3.7")
				} else {
					_, err := m.packs.State(t.Context(), name)
					require.ErrorIs(t, err, platform.ErrNotFound)
				}
				require.NoError(t, m.packs.Install(t.Context(), pkg, map[string]string{"ROLE": "manager"}))
				m.installed("3.7")
				assert.Equal(t, "role=manager\n", m.read(conf))
				assert.NoFileExists(t, filepath.Join(m.root, "usr/share/emc/old"))
			})
		}
	}
}

// A context that ends stops between two files, and leaves no half of one under its name.
func TestInstall_cancelled(t *testing.T) {
	m := newMachine(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, m.packs.Install(ctx, m.put(mdm("3.6")), nil), context.Canceled)
	assert.NoFileExists(t, filepath.Join(m.root, daemon))
	assert.False(t, m.state().Configured)
}

func TestRecover_upgradeWithoutItsFile(t *testing.T) {
	m := newMachine(t)
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.6")), nil))
	pkg := m.put(mdm("3.7"))
	m.fail["reload"] = errors.New("cut off")
	require.Error(t, m.packs.Install(t.Context(), pkg, nil))
	delete(m.fail, "reload")
	require.NoError(t, os.Remove(m.root+pkg))
	require.ErrorContains(t, m.packs.Recover(t.Context()), "install it again")
	assert.FileExists(t, filepath.Join(m.root, daemon), "a running service's files aren't taken away")
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.7")), nil))
	m.installed("3.7")
}

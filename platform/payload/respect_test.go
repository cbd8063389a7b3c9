package payload_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/payload"
	"scaleio-framework/platform/pkgmgr"
	"scaleio-framework/platform/platformtest"
)

// content of everything that lasts, links by their target.
func (m *machine) content() map[string]string {
	m.t.Helper()
	all := map[string]string{}
	for _, top := range []string{"opt", "etc", "usr", "var/lib"} {
		require.NoError(m.t, filepath.WalkDir(filepath.Join(m.root, top), func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name := file[len(m.root):]
			switch {
			case d.IsDir():
				all[name+"/"] = ""
			case d.Type()&fs.ModeSymlink != 0:
				all[name], err = os.Readlink(file)
			default:
				all[name] = m.read(name)
			}
			return err
		}))
	}
	return all
}

// A file that the package doesn't own is never replaced, and never hidden under /usr: nothing at all is done, and the file is named.
func TestInstall_respectsWhatIsThere(t *testing.T) {
	for name, lay := range map[string]func(m *machine) string{
		"a program": func(m *machine) string { m.write(daemon, "a person's"); return daemon },
		"a unit": func(m *machine) string {
			m.write("/etc/systemd/system/mdm.service", "[Service]\n")
			return "/etc/systemd/system/mdm.service"
		},
		"a drop-in": func(m *machine) string {
			m.write("/etc/systemd/system/mdm.service.d/10-scaleio-agent.conf", "other")
			return "/10-scaleio-agent.conf"
		},
		"a program of the system": func(m *machine) string { m.write("/usr/bin/scli", "the system's"); return "/usr/bin/scli" },
		"a link": func(m *machine) string {
			m.write("/opt/emc/scaleio/mdm/bin/other", "")
			require.NoError(m.t, os.Symlink("other", m.root+"/opt/emc/scaleio/mdm/bin/scli"))
			return "/opt/emc/scaleio/mdm/bin/scli"
		},
		"a link where a file goes": func(m *machine) string {
			m.write("/opt/emc/scaleio/mdm/bin/other", "program 3.6")
			require.NoError(m.t, os.Symlink("other", m.root+daemon))
			return daemon
		},
		"a file where a folder goes": func(m *machine) string {
			m.write("/opt/emc/scaleio/mdm/logs", "all in one")
			return "/opt/emc/scaleio/mdm/logs"
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			file := lay(m)
			before := m.content()
			err := m.packs.Install(t.Context(), m.put(mdm("3.6")), nil)
			var refused *pkgmgr.Error
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, pkgmgr.Conflict, refused.Kind)
			assert.Contains(t, refused.Detail, file)
			assert.Contains(t, refused.Detail, "move it away")
			require.NoError(t, m.packs.Recover(t.Context()))
			require.NoError(t, m.packs.Remove(t.Context(), "EMC-ScaleIO-mdm"))
			assert.Equal(t, before, m.content())
			assert.Empty(t, m.calls)
		})
	}
}

// An upgrade that brings a name which a person has by now is refused before anything is stopped.
func TestInstall_upgradeRespectsWhatIsThere(t *testing.T) {
	m := newMachine(t)
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.6")), nil))
	m.write("/opt/emc/scaleio/mdm/new", "a person's")
	m.calls = nil
	require.ErrorContains(t, m.packs.Install(t.Context(), m.put(mdm("3.7", file("/opt/emc/scaleio/mdm/new", "y"))), nil), "/opt/emc/scaleio/mdm/new")
	assert.Empty(t, m.calls)
	m.installed("3.6")
}

// Folders and configuration that were there before are used, and stay when the package goes. What is the package's to the byte, its record lost, is taken over.
func TestInstall_keepsWhatWasFound(t *testing.T) {
	m := newMachine(t)
	shipped := rpmEntry{name: "/etc/emc/shipped.conf", mode: 0o100644, content: "default", flags: 1}
	m.write("/etc/emc/shipped.conf", "a person's")
	m.write(conf, "role=tie-breaker\n")
	require.NoError(t, os.MkdirAll(m.root+"/opt/emc/scaleio/mdm/logs", 0o755))
	before := m.content()
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.6", shipped)), nil))
	m.installed("3.6")
	require.NoError(t, os.RemoveAll(m.root+"/var/lib/scaleio-agent")) // the record too
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.6", shipped)), nil))
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.7", shipped)), nil))
	m.installed("3.7")
	assert.Equal(t, "a person's", m.read("/etc/emc/shipped.conf"))
	assert.Equal(t, "role=tie-breaker\n", m.read(conf))
	require.NoError(t, m.packs.Remove(t.Context(), name))
	after := m.content()
	for file, text := range before {
		assert.Contains(t, after, file)
		assert.Equal(t, text, after[file], file)
	}
	assert.NotContains(t, after, daemon)
}

// Two packages may bring the same file, as rpm lets them: it stays until the last of them goes.
func TestRemove_keepsWhatAnotherPackageHas(t *testing.T) {
	m := newMachine(t)
	const shared, other = "/opt/emc/scaleio/lib/shared", "EMC-ScaleIO-other"
	second := rpmFile{name: other, version: "3.6", release: "700.103.el9", files: []rpmEntry{dir("/opt/emc/scaleio/lib"), file(shared, "x")}}
	require.NoError(t, m.packs.Install(t.Context(), m.put(mdm("3.6", dir("/opt/emc/scaleio/lib"), file(shared, "x"))), nil))
	m.recipe = func(pkg, _ string) payload.Recipe { return payload.Recipe{Extension: "scaleio-" + pkg} }
	m.again()
	require.NoError(t, m.packs.Install(t.Context(), m.put(second), nil))
	require.NoError(t, m.packs.Remove(t.Context(), name))
	assert.Equal(t, "x", m.read(shared))
	require.NoError(t, m.packs.Remove(t.Context(), other))
	assert.NoDirExists(t, m.root+"/opt/emc/scaleio/lib")
}

const glance = "look at the context"

// cutContext ends at the nth look at it.
type cutContext struct {
	context.Context
	cutter *platformtest.Cutter
}

func (c cutContext) Err() error {
	if c.cutter.Do(glance, func() error { return nil }) != nil {
		return context.Canceled
	}
	return nil
}

// cutFiles are what the record and the configuration are written through.
type cutFiles struct {
	payload.Files
	cutter *platformtest.Cutter
}

func (f cutFiles) Write(path string, data []byte, mode fs.FileMode) error {
	return f.cutter.Do("write "+path, func() error { return f.Files.Write(path, data, mode) })
}

func (f cutFiles) MkdirAll(path string, mode fs.FileMode) error {
	return f.cutter.Do("mkdir "+path, func() error { return f.Files.MkdirAll(path, mode) })
}

// cutInstall installs 3.7 over what from says, arms the cutter, and is over when the machine was recovered by the agent's next process.
func cutInstall(t *testing.T, from string, arm func(*platformtest.Cutter)) (m *machine, before map[string]string, calls []string) {
	m = newMachine(t)
	shipped := rpmEntry{name: "/etc/emc/shipped.conf", mode: 0o100644, content: "default", flags: 1}
	m.write("/opt/emc/scaleio/mdm/cfg/mine", "a person's")
	m.write(shipped.name, "a person's")
	before = m.content()
	if from != "" {
		require.NoError(t, m.packs.Install(t.Context(), m.put(mdm(from, shipped, file("/usr/share/emc/old", "x"))), map[string]string{"ROLE": "manager"}))
	}
	pkg := m.put(mdm("3.7", shipped, file("/usr/share/emc/new", "x"), file("/opt/emc/scaleio/mdm/new/deep", "x")))
	cutter := &platformtest.Cutter{}
	m.cutter = cutter
	m.again()
	arm(cutter)
	err := m.packs.Install(cutContext{t.Context(), cutter}, pkg, map[string]string{"ROLE": "manager"})
	require.Equal(t, cutter.HasCut(), err != nil, "%v", err)
	m.cutter = nil
	m.again()
	require.NoError(t, m.packs.Recover(t.Context()))
	return m, before, cutter.Calls()
}

// An installation that is cut at any point, before or after what it does there, leaves nothing behind once it is recovered, and nothing of others is gone. An upgrade is
// whole in the end, or hasn't begun.
func TestInstall_cutAtEveryPoint(t *testing.T) {
	for _, from := range []string{"", "3.6"} {
		_, _, calls := cutInstall(t, from, func(*platformtest.Cutter) {})
		require.Greater(t, len(calls), 30)
		for i, call := range calls {
			cuts := []func(*platformtest.Cutter){func(c *platformtest.Cutter) { c.CutBefore(i + 1) }, func(c *platformtest.Cutter) { c.CutAfter(i + 1) }}
			if call == glance {
				cuts = cuts[:1] // it has no effect
			}
			for _, cut := range cuts {
				m, before, _ := cutInstall(t, from, cut)
				state, err := m.packs.State(t.Context(), name)
				now := m.content()
				switch {
				case err == nil:
					require.True(t, state.Configured, "cut at %d, %s: %s", i, call, state.Fault)
				default:
					require.ErrorIs(t, err, platform.ErrNotFound)
					require.Empty(t, from, "an upgrade never loses the package")
					for _, ours := range []string{"/var/lib/extensions/", "/var/lib/scaleio-agent/", "/var/lib/scaleio-agent/payload/"} {
						delete(now, ours)
					}
					require.Equal(t, before, now, "cut at %d, %s", i, call)
				}
				for file, text := range before {
					require.Equal(t, text, now[file], "%s: cut at %d, %s", file, i, call)
				}
			}
		}
	}
}

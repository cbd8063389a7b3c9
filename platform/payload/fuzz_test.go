package payload_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A package, its headers and its content, as somebody may have made or damaged it: it is installed whole, or what it left is taken away; and never anything below /usr.
func FuzzInstall(f *testing.F) {
	for _, r := range []rpmFile{
		mdm("3.6"),
		mdm("3.6", rpmEntry{name: "/opt/emc/a", mode: 0o100644, content: "same", inode: 7}, rpmEntry{name: "/opt/emc/b", mode: 0o100644, content: "same", inode: 7}),
		mdm("3.6", rpmEntry{name: "/etc/emc.conf", mode: 0o100644, content: "x", flags: 1}, rpmEntry{name: "/var/log/emc", mode: 0o100644, flags: 1 << 6}),
	} {
		r.number()
		f.Add(r.head(nil), r.cpio())
		f.Add(r.head(nil), packed("", r.cpio()))
	}
	for _, compressor := range []string{"xz", "lzma", "zstd", "bzip2"} {
		r := mdm("3.6")
		r.number()
		r.compressor = compressor
		f.Add(r.head(nil), packed(compressor, r.cpio()))
	}
	whole := mdm("3.6")
	whole.number()
	head, content := whole.head(nil), whole.cpio()
	other := mdm("3.6")
	other.name = "EMC-ScaleIO-mdn"
	other.number()
	f.Add(other.head(nil), other.cpio())
	f.Add(head, content[:len(content)/2])
	f.Add(head[:len(head)/2], content)
	for _, length := range []string{"00000000", "ffffffff"} { // of the first name
		f.Add(head, slices.Concat(content[:94], []byte(length), content[102:]))
	}
	f.Add(head, slices.Concat([]byte("07070X00000001\x00\x00"), content)) // stripped: only the number of a file
	f.Fuzz(func(t *testing.T, head, content []byte) {
		m := newMachine(t)
		m.write("/var/cache/p.rpm", string(head)+string(content))
		m.write("/var/lib/scaleio-agent/payload/none", "")
		before, system := m.tree(), m.below("usr")
		if err := m.packs.Install(t.Context(), "/var/cache/p.rpm", nil); err == nil {
			records, err := filepath.Glob(filepath.Join(m.root, "/var/lib/scaleio-agent/payload/*.json"))
			require.NoError(t, err)
			require.Len(t, records, 1)
			called := strings.TrimSuffix(filepath.Base(records[0]), ".json") // a header may call the package otherwise
			state, err := m.packs.State(t.Context(), called)
			require.NoError(t, err)
			require.True(t, state.Configured, state.Fault)
			require.NoError(t, m.packs.Remove(t.Context(), called))
		} else {
			m.again()
			require.NoError(t, m.packs.Recover(t.Context()), "after %v", err)
		}
		m.unmerge()
		require.Equal(t, before, m.tree())
		require.Equal(t, system, m.below("usr"))
	})
}

// below lists what is in a folder of the machine, with what it is.
func (m *machine) below(top string) (all []string) {
	require.NoError(m.t, filepath.WalkDir(filepath.Join(m.root, top), func(file string, d fs.DirEntry, err error) error {
		if err == nil {
			all = append(all, d.Type().String()+file)
		}
		return err
	}))
	return all
}

// What a disk may have made of our own record: its package isn't taken for whole, and nothing leads out of the machine's files.
func FuzzRecord(f *testing.F) {
	m := newMachine(f)
	require.NoError(f, m.packs.Install(f.Context(), m.put(mdm("3.6")), nil))
	whole := m.read("/var/lib/scaleio-agent/payload/" + name + ".json")
	f.Add([]byte(whole))
	f.Add([]byte(strings.Replace(whole, "installed", "removing", 1)))
	f.Add([]byte(strings.Replace(whole, `"/opt`, `"/../../../opt`, 1)))
	f.Add([]byte(`{"schema":1,"name":"EMC-ScaleIO-mdm","version":"3.6","phase":"unpacking","replaces":"3.5","source":"/etc","files":[{"path":"","kind":"dir"},{"path":"x","kind":"file","mode":4294967295}],"units":["","../x"]}`))
	f.Add([]byte(`{"schema":1,"name":"EMC-ScaleIO-mdm","phase":"installed","files":null}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		m := newMachine(t)
		beside := m.root + ".beside"
		require.NoError(t, os.WriteFile(beside, nil, 0o600))
		defer os.Remove(beside)
		m.write("/var/lib/scaleio-agent/payload/"+name+".json", string(record))
		state, err := m.packs.State(t.Context(), name)
		if err == nil && state.Configured && !strings.Contains(string(record), "installed") {
			t.Errorf("%q is whole", record)
		}
		_ = m.packs.Recover(t.Context())
		_ = m.packs.Remove(t.Context(), name)
		require.FileExists(t, beside)
		if _, err := os.Stat(filepath.Join(m.root, "var/lib/scaleio-agent/payload", name+".json")); errors.Is(err, fs.ErrNotExist) {
			require.False(t, slices.Contains(m.calls, "start"), "what is removed isn't started")
		}
	})
}

package kmod_test

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"os"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"

	"scaleio-framework/platform"
	"scaleio-framework/platform/kmod"
	"scaleio-framework/platform/platformtest"
)

const kernel = "6.1.0-18-amd64"

func scini() platformtest.KernelModule {
	return platformtest.KernelModule{Name: "scini", Vermagic: kernel + " SMP preempt mod_unload modversions", Version: "3.6.700.103", SrcVersion: "ABCDEF"}
}

func amd64() platform.Facts { return platform.Facts{Arch: "amd64", Kernel: kernel} }

// Kernel modules of this machine's own kernel packages, where there are some, are read as modinfo reads them; without any the synthetic ones stand for them.
func TestParse(t *testing.T) {
	for name, pack := range map[string]func(*testing.T, []byte) []byte{
		"plain": func(_ *testing.T, b []byte) []byte { return b },
		"gzip": func(t *testing.T, b []byte) []byte {
			var out bytes.Buffer
			w := gzip.NewWriter(&out)
			_, err := w.Write(b)
			require.NoError(t, err)
			require.NoError(t, w.Close())
			return out.Bytes()
		},
		"xz": func(t *testing.T, b []byte) []byte {
			var out bytes.Buffer
			w, err := xz.WriterConfig{CheckSum: xz.CRC32}.NewWriter(&out) // as kernel builds do
			require.NoError(t, err)
			_, err = w.Write(b)
			require.NoError(t, err)
			require.NoError(t, w.Close())
			return out.Bytes()
		},
		"zstd": func(t *testing.T, b []byte) []byte {
			w, err := zstd.NewWriter(nil)
			require.NoError(t, err)
			return w.EncodeAll(b, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := kmod.Parse(pack(t, scini().File()))
			require.NoError(t, err)
			assert.Equal(t, kmod.Module{Name: "scini", Vermagic: kernel + " SMP preempt mod_unload modversions", Version: "3.6.700.103", SrcVersion: "ABCDEF", Machine: elf.EM_X86_64}, m)
			assert.Equal(t, kernel, m.Release())
		})
	}
	signed := scini()
	signed.Signed = true
	m, err := kmod.Parse(signed.File())
	require.NoError(t, err)
	assert.True(t, m.Signed)

	_, err = kmod.Parse([]byte("<html>404</html>"))
	require.Error(t, err)
	_, err = kmod.Parse(platformtest.KernelModule{Name: "scini"}.File())
	require.ErrorContains(t, err, "no vermagic")
	self, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	_, err = kmod.Parse(self)
	require.ErrorContains(t, err, "without .modinfo", "a program isn't a module")
}

func FuzzParse(f *testing.F) {
	f.Add(scini().File())
	signed := scini()
	signed.Signed = true
	f.Add(signed.File())
	f.Add([]byte{0x1f, 0x8b})
	f.Add([]byte{0xfd, '7', 'z', 'X', 'Z', 0})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := kmod.Parse(data)
		if err == nil && m.Vermagic == "" {
			t.Fatal("a module without vermagic was taken")
		}
	})
}

func TestVerify(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*platformtest.KernelModule, *platform.Facts)
		kind   kmod.Kind
		says   string
	}{
		"fits":             {func(*platformtest.KernelModule, *platform.Facts) {}, "", ""},
		"another kernel":   {func(m *platformtest.KernelModule, _ *platform.Facts) { m.Vermagic = "6.1.0-17-amd64 SMP" }, kmod.WrongKernel, "6.1.0-17-amd64"},
		"a longer release": {func(m *platformtest.KernelModule, _ *platform.Facts) { m.Vermagic = kernel + "2 SMP" }, kmod.WrongKernel, ""},
		"another module":   {func(m *platformtest.KernelModule, _ *platform.Facts) { m.Name = "nvme" }, kmod.WrongModule, "nvme"},
		"another machine":  {func(m *platformtest.KernelModule, _ *platform.Facts) { m.Machine = elf.EM_AARCH64 }, kmod.WrongArchitecture, "AARCH64"},
		"Secure Boot": {func(_ *platformtest.KernelModule, f *platform.Facts) {
			f.SecureBoot, f.Lockdown = "enabled", "integrity"
		}, kmod.UnsignedSecureBoot, "mokutil"},
		"el7's Secure Boot": {func(_ *platformtest.KernelModule, f *platform.Facts) { f.SecureBoot = "enabled" }, kmod.UnsignedSecureBoot, "firmware"},
		"lockdown": {func(_ *platformtest.KernelModule, f *platform.Facts) {
			f.SecureBoot, f.Lockdown = "disabled", "integrity"
		}, kmod.UnsignedLockdown, "lockdown=integrity"},
		"confidentiality": {func(_ *platformtest.KernelModule, f *platform.Facts) {
			f.SecureBoot, f.Lockdown = "unknown", "confidentiality"
		}, kmod.UnsignedLockdown, "confidentiality"},
		"sig_enforce": {func(_ *platformtest.KernelModule, f *platform.Facts) { f.Lockdown, f.SigEnforce = "none", true }, kmod.UnsignedEnforced, "sig_enforce"},
		"Secure Boot, and a kernel that doesn't care": {func(_ *platformtest.KernelModule, f *platform.Facts) { f.SecureBoot, f.Lockdown = "enabled", "none" }, "", ""},
		"signed": {func(m *platformtest.KernelModule, f *platform.Facts) {
			m.Signed, f.SecureBoot, f.Lockdown = true, "enabled", "integrity"
		}, "", ""},
		"signed for another kernel": {func(m *platformtest.KernelModule, f *platform.Facts) {
			m.Signed, m.Vermagic, f.SigEnforce = true, "5.0 SMP", true
		}, kmod.WrongKernel, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m, facts := scini(), amd64()
			c.change(&m, &facts)
			parsed, err := kmod.Parse(m.File())
			require.NoError(t, err)
			err = parsed.Verify("scini", kernel, facts)
			assert.Equal(t, c.kind, kmod.KindOf(err))
			if c.kind != "" {
				assert.ErrorContains(t, err, c.says)
			} else {
				assert.NoError(t, err)
			}
		})
	}
}

// insmod's own words (kmod 30, libkmod's mod_strerror and strerror).
func TestExplain(t *testing.T) {
	locked := platform.Facts{Lockdown: "integrity", SecureBoot: "disabled"}
	for said, c := range map[string]struct {
		signed bool
		facts  platform.Facts
		kind   kmod.Kind
	}{
		"insmod: ERROR: could not insert module /x/scini.ko: Required key not available":  {true, locked, kmod.KeyNotTrusted},
		"insmod: ERROR: could not insert module /x/scini.ko: Key was rejected by service": {false, platform.Facts{SigEnforce: true}, kmod.UnsignedEnforced},
		"insmod: ERROR: could not insert module /y/scini.ko: Key was rejected by service": {false, platform.Facts{}, kmod.UnsignedEnforced},
		"insmod: ERROR: could not insert module /x/scini.ko: Operation not permitted":     {false, locked, kmod.UnsignedLockdown},
		"insmod: ERROR: could not insert module /y/scini.ko: Operation not permitted":     {true, platform.Facts{}, kmod.ModulesDisabled},
		"insmod: ERROR: could not insert module /x/scini.ko: Invalid module format":       {false, platform.Facts{}, kmod.WrongKernel},
		"insmod: ERROR: could not insert module /x/scini.ko: Unknown symbol in module":    {false, platform.Facts{}, kmod.UnknownSymbol},
		"rmmod: ERROR: Module scini is in use":                                            {false, platform.Facts{}, kmod.InUse},
		"insmod: ERROR: could not insert module /x/scini.ko: Cannot allocate memory":      {false, platform.Facts{}, kmod.LoadFailed},
	} {
		t.Run(said, func(t *testing.T) {
			assert.Equal(t, c.kind, kmod.KindOf(kmod.Explain(said, kmod.Module{Signed: c.signed}, c.facts)))
		})
	}
}

func TestLoaded(t *testing.T) {
	files := platformtest.NewFiles()
	state, err := kmod.Loaded(files, "scini")
	require.NoError(t, err)
	assert.Equal(t, kmod.State{}, state)

	files.Set("/sys/module/dm_mod/initstate", "live\n", 0o444)
	files.Set("/sys/module/dm_mod/refcnt", "3\n", 0o444)
	files.Set("/sys/module/dm_mod/srcversion", "AB\n", 0o444)
	state, err = kmod.Loaded(files, "dm-mod")
	require.NoError(t, err)
	assert.Equal(t, kmod.State{Loaded: true, Users: 3, SrcVersion: "AB"}, state)

	files.Set("/sys/module/dm_mod/initstate", "going\n", 0o444)
	state, err = kmod.Loaded(files, "dm-mod")
	require.NoError(t, err)
	assert.False(t, state.Loaded)
	assert.True(t, state.Changing)

	files.Set("/sys/module/dm_mod/refcnt", "many\n", 0o444)
	_, err = kmod.Loaded(files, "dm-mod")
	require.Error(t, err, "an answer that isn't understood mustn't count as unused")
}

func TestCompare(t *testing.T) {
	sorted := []string{"3.10.0-957.el7.x86_64", "3.10.0-1160.el7.x86_64", "3.10.0-1160.2.1.el7.x86_64", "5.4.0-99-generic", "5.4.0-167-generic", "5.15.0-122-generic",
		"6.1.0-9-amd64", "6.1.0-18-amd64", "6.1.0-18-cloud-amd64", "6.12.0-rc1", "6.12.0", "6.12.9+bpo-amd64"}
	shuffled := slices.Clone(sorted)
	slices.Reverse(shuffled)
	slices.SortFunc(shuffled, kmod.Compare)
	assert.Equal(t, sorted, shuffled)
}

// bzImage as far as its setup header: x86 boot protocol, header.S.
func bzImage(version string) string {
	image := make([]byte, 0x4000)
	copy(image[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(image[0x20e:], 0x3000)
	copy(image[0x200+0x3000:], version)
	return string(image)
}

func TestImageRelease(t *testing.T) {
	release, err := kmod.ImageRelease([]byte(bzImage("6.6.95-flatcar (root@build) #1 SMP\x00")))
	require.NoError(t, err)
	assert.Equal(t, "6.6.95-flatcar", release)
	for _, broken := range []string{"", "HdrS", bzImage(""), bzImage("")[:0x210]} {
		_, err := kmod.ImageRelease([]byte(broken))
		assert.Error(t, err)
	}
}

func FuzzImageRelease(f *testing.F) {
	f.Add([]byte(bzImage("6.6.95-flatcar (x)")))
	f.Fuzz(func(t *testing.T, data []byte) {
		if release, err := kmod.ImageRelease(data); err == nil && release == "" {
			t.Fatal("an empty release")
		}
	})
}

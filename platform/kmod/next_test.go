package kmod_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/kmod"
	"scaleio-framework/platform/platformtest"
)

const grubenvHead = "# GRUB Environment Block\n"

func TestNextKernel(t *testing.T) {
	debian := platform.Facts{Family: platform.FamilyDeb, Kernel: "6.1.0-18-amd64"}
	el := platform.Facts{Family: platform.FamilyRPM, Kernel: "5.14.0-427.13.1.el9_4.x86_64"}
	flatcar := platform.Facts{Family: platform.FamilyFlatcar, Kernel: "6.6.88-flatcar", Immutable: true}
	for name, c := range map[string]struct {
		facts  platform.Facts
		waits  bool
		files  map[string]string
		want   string
		broken string
	}{
		"no boot loader seen": {facts: debian, want: debian.Kernel},
		"newest in /boot": {facts: debian, want: "6.1.0-21-amd64",
			files: map[string]string{"/boot/vmlinuz-6.1.0-9-amd64": "", "/boot/vmlinuz-6.1.0-21-amd64": "", "/boot/vmlinuz-6.1.0-22-amd64.old": "", "/boot/vmlinuz-0-rescue-abc": ""}},
		"GRUB_DEFAULT=0": {facts: debian, want: "6.1.0-21-amd64",
			files: map[string]string{"/boot/vmlinuz-6.1.0-21-amd64": "", "/etc/default/grub": "#GRUB_DEFAULT=2\nGRUB_DEFAULT=0\nGRUB_TIMEOUT=5\n"}},
		"GRUB_DEFAULT by title": {facts: debian, want: "6.1.0-9-amd64",
			files: map[string]string{"/boot/vmlinuz-6.1.0-21-amd64": "", "/etc/default/grub": "GRUB_DEFAULT=\"Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-9-amd64\"\n"}},
		"GRUB_DEFAULT=saved, by id": {facts: debian, want: "5.15.0-105-generic",
			files: map[string]string{"/boot/vmlinuz-6.1.0-21-amd64": "", "/etc/default/grub": "GRUB_DEFAULT=saved\n",
				"/boot/grub/grubenv": grubenvHead + "saved_entry=gnulinux-advanced-1f2e>gnulinux-5.15.0-105-generic-advanced-1f2e\n####"}},
		"GRUB_DEFAULT by number": {facts: debian, broken: `"2"`,
			files: map[string]string{"/boot/vmlinuz-6.1.0-21-amd64": "", "/etc/default/grub": "GRUB_DEFAULT=2\n"}},
		"GRUB_DEFAULT in a submenu": {facts: debian, broken: `"1>2"`,
			files: map[string]string{"/boot/vmlinuz-6.1.0-21-amd64": "", "/etc/default/grub": "GRUB_DEFAULT=\"1>2\" # the older one\n"}},
		"GRUB_DEFAULT=saved, by number": {facts: debian, broken: `"3"`,
			files: map[string]string{"/boot/vmlinuz-6.1.0-21-amd64": "", "/etc/default/grub": "GRUB_DEFAULT=saved\n", "/boot/grub/grubenv": grubenvHead + "saved_entry=3\n####"}},
		"grub-reboot by number": {facts: debian, broken: `"1>4"`,
			files: map[string]string{"/boot/vmlinuz-6.1.0-21-amd64": "", "/boot/grub/grubenv": grubenvHead + "next_entry=1>4\n####"}},
		"GRUB_DEFAULT=saved, nothing saved": {facts: debian, want: "6.1.0-21-amd64",
			files: map[string]string{"/boot/vmlinuz-6.1.0-21-amd64": "", "/etc/default/grub": "GRUB_DEFAULT=saved\n"}},
		"GRUB_DEFAULT=saved, the first": {facts: debian, want: "6.1.0-21-amd64",
			files: map[string]string{"/boot/vmlinuz-6.1.0-21-amd64": "", "/etc/default/grub": "GRUB_DEFAULT=saved\n", "/boot/grub/grubenv": grubenvHead + "saved_entry=gnulinux-simple-1f2e\n####"}},
		"GRUB_DEFAULT of another system": {facts: debian, broken: "Windows",
			files: map[string]string{"/boot/vmlinuz-6.1.0-21-amd64": "", "/etc/default/grub": "GRUB_DEFAULT='Windows Boot Manager'\n"}},
		"GRUB_DEFAULT that a shell makes": {facts: debian, broken: "GRUB_DEFAULT=",
			files: map[string]string{"/boot/vmlinuz-6.1.0-21-amd64": "", "/etc/default/grub": "GRUB_DEFAULT=0\n[ -e /etc/older ] && GRUB_DEFAULT=0\n"}},
		"grub.d comes later": {facts: debian, want: "6.1.0-9-amd64",
			files: map[string]string{"/boot/vmlinuz-6.1.0-21-amd64": "", "/etc/default/grub": "GRUB_DEFAULT=0\n", "/etc/default/grub.d/10-number.cfg": "GRUB_DEFAULT=7\n",
				"/etc/default/grub.d/90-pin.cfg": "GRUB_DEFAULT='gnulinux-advanced-1f2e>gnulinux-6.1.0-9-amd64-advanced-1f2e'\n", "/etc/default/grub.d/95-cloud.cfg": "GRUB_TIMEOUT=0\n"}},
		"grub.d by number, and no /etc/default/grub": {facts: debian, broken: `"1>2"`,
			files: map[string]string{"/boot/vmlinuz-6.1.0-21-amd64": "", "/etc/default/grub.d/pin.cfg": "GRUB_DEFAULT='1>2'\n"}},
		"el, by number": {facts: el, broken: `"1"`,
			files: map[string]string{"/boot/grub2/grubenv": grubenvHead + "saved_entry=1\n####", "/boot/vmlinuz-5.14.0-503.11.1.el9_5.x86_64": ""}},
		"el7, a title of one's own": {facts: el, broken: "My kernel",
			files: map[string]string{"/boot/grub2/grubenv": grubenvHead + "saved_entry=My kernel\n####", "/boot/vmlinuz-3.10.0-1160.el7.x86_64": ""}},
		"el, the first": {facts: el, want: "5.14.0-503.11.1.el9_5.x86_64",
			files: map[string]string{"/boot/grub2/grubenv": grubenvHead + "saved_entry=0\n####", "/boot/vmlinuz-5.14.0-503.11.1.el9_5.x86_64": ""}},
		"el, an entry without a kernel": {facts: el, broken: "4f1e-memtest",
			files: map[string]string{"/boot/grub2/grubenv": grubenvHead + "saved_entry=4f1e-memtest\n####", "/boot/loader/entries/4f1e-memtest.conf": "title Memory test\nlinux /memtest.bin\n"}},
		"grub-reboot": {facts: debian, want: "6.1.0-9-amd64",
			files: map[string]string{"/boot/vmlinuz-6.1.0-21-amd64": "", "/boot/grub/grubenv": grubenvHead + "next_entry=Debian GNU/Linux, with Linux 6.1.0-9-amd64\n####"}},
		"el9, the default entry": {facts: el, want: "5.14.0-503.11.1.el9_5.x86_64",
			files: map[string]string{"/boot/grub2/grubenv": grubenvHead + "saved_entry=4f1e-5.14.0-503.11.1.el9_5.x86_64\nkernelopts=root=/dev/vda\n####",
				"/boot/loader/entries/4f1e-5.14.0-503.11.1.el9_5.x86_64.conf": "title Rocky Linux (5.14.0-503.11.1.el9_5.x86_64) 9.5\nversion 5.14.0-503.11.1.el9_5.x86_64\nlinux /vmlinuz-5.14.0-503.11.1.el9_5.x86_64\n"}},
		"el7, a title": {facts: el, want: "3.10.0-1160.el7.x86_64",
			files: map[string]string{"/boot/grub2/grubenv": grubenvHead + "saved_entry=CentOS Linux (3.10.0-1160.el7.x86_64) 7 (Core)\n", "/boot/vmlinuz-3.10.0-1160.99.1.el7.x86_64": ""}},
		"el, an entry that is gone": {facts: el, want: "5.14.0-503.11.1.el9_5.x86_64",
			files: map[string]string{"/boot/grub2/grubenv": grubenvHead + "saved_entry=4f1e-gone\n", "/boot/vmlinuz-5.14.0-503.11.1.el9_5.x86_64": "", "/boot/vmlinuz-0-rescue-4f1e": ""}},
		"Flatcar at rest": {facts: flatcar, want: flatcar.Kernel, files: map[string]string{"/boot/flatcar/vmlinuz-b": bzImage("6.6.95-flatcar (x)")}},
		"Flatcar's other slot": {facts: flatcar, waits: true, want: "6.6.95-flatcar",
			files: map[string]string{"/proc/cmdline": "BOOT_IMAGE=/flatcar/vmlinuz-a mount.usr=/dev/mapper/usr verity.usr=PARTUUID=7130C94A-213A-4E5A-8E26-6CCE9662F132\n",
				"/boot/flatcar/vmlinuz-a": bzImage("6.6.88-flatcar (x)"), "/boot/flatcar/vmlinuz-b": bzImage("6.6.95-flatcar (x)")}},
		"CoreOS, back to A": {facts: flatcar, waits: true, want: "4.19.106-coreos",
			files: map[string]string{"/proc/cmdline": "BOOT_IMAGE=/coreos/vmlinuz-b usr\n", "/boot/coreos/vmlinuz-a": bzImage("4.19.106-coreos (x)")}},
		"an update whose kernel isn't seen": {facts: flatcar, waits: true, broken: "is /boot mounted", files: map[string]string{"/proc/cmdline": "BOOT_IMAGE=/flatcar/vmlinuz-a\n"}},
		"an update and an unknown slot":     {facts: flatcar, waits: true, broken: "none of the two", files: map[string]string{"/proc/cmdline": "quiet\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := platformtest.NewFiles()
			for path, text := range c.files {
				files.Set(path, text, 0o644)
			}
			next, err := kmod.NextKernel(files, c.facts, c.waits)
			if c.broken != "" {
				require.ErrorContains(t, err, c.broken)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, next.Release)
			assert.NotEmpty(t, next.From)
		})
	}
}

func TestInstalled(t *testing.T) {
	files := platformtest.NewFiles()
	files.Set("/boot/vmlinuz-6.1.0-21-amd64", "", 0o644)
	files.Set("/lib/modules/6.1.0-18-amd64/modules.dep", "", 0o644)
	files.Set("/lib/modules/6.1.0-20-amd64/modules.dep", "", 0o644)
	all, err := kmod.Installed(files, platform.Facts{Family: platform.FamilyDeb, Kernel: "6.1.0-18-amd64"})
	require.NoError(t, err)
	assert.Equal(t, []string{"6.1.0-18-amd64", "6.1.0-20-amd64", "6.1.0-21-amd64"}, all)

	files = platformtest.NewFiles()
	files.Set("/boot/flatcar/vmlinuz-b", bzImage("6.6.95-flatcar (x)"), 0o644)
	all, err = kmod.Installed(files, platform.Facts{Family: platform.FamilyFlatcar, Kernel: "6.6.88-flatcar"})
	require.NoError(t, err)
	assert.Equal(t, []string{"6.6.88-flatcar", "6.6.95-flatcar"}, all, "a rollback boots the other slot's")
}

func FuzzNextKernel(f *testing.F) {
	f.Add("saved_entry=x\nnext_entry=Debian GNU/Linux, with Linux 6.1.0-9-amd64\n", "GRUB_DEFAULT=saved\n")
	f.Add("saved_entry=CentOS Linux (3.10.0-1160.el7.x86_64) 7 (Core)\n", "")
	f.Fuzz(func(t *testing.T, env, defaults string) {
		for _, family := range []platform.Family{platform.FamilyDeb, platform.FamilyRPM} {
			files := platformtest.NewFiles()
			files.Set("/boot/grub/grubenv", env, 0o644)
			files.Set("/boot/grub2/grubenv", env, 0o644)
			files.Set("/etc/default/grub", defaults, 0o644)
			next, err := kmod.NextKernel(files, platform.Facts{Family: family, Kernel: "1"}, false)
			if err == nil && next.Release == "" {
				t.Fatal("no release")
			}
		}
	})
}

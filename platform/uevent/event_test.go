package uevent

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

// text of a message, with | for the zero byte.
func text(s string) []byte { return []byte(strings.ReplaceAll(s, "|", "\x00")) }

func TestParse(t *testing.T) {
	for _, row := range []struct {
		name, message string
		want          Event
		ok            bool
	}{
		{"a disk", "add@/devices/pci0000:00/nvme/nvme1/nvme1n1|ACTION=add|DEVPATH=/devices/pci0000:00/nvme/nvme1/nvme1n1|SUBSYSTEM=block|MAJOR=259|MINOR=1|DEVNAME=nvme1n1|DEVTYPE=disk|SEQNUM=4711|",
			Event{Action: "add", Device: "/devices/pci0000:00/nvme/nvme1/nvme1n1", Subsystem: "block", Name: "nvme1n1", Type: "disk"}, true},
		{"a partition", "remove@/devices/virtual/block/loop3/loop3p1|ACTION=remove|SUBSYSTEM=block|DEVNAME=loop3p1|DEVTYPE=partition|",
			Event{Action: "remove", Device: "/devices/virtual/block/loop3/loop3p1", Subsystem: "block", Name: "loop3p1", Type: "partition"}, true},
		{"values with =", "change@/d/a=b|ACTION=change|DEVPATH=/d/a=b|SUBSYSTEM=block|DEVNAME=x=y=z|X==|",
			Event{Action: "change", Device: "/d/a=b", Subsystem: "block", Name: "x=y=z"}, true},
		{"no disk", "add@/module/x|ACTION=add|SUBSYSTEM=module|", Event{Action: "add", Device: "/module/x", Subsystem: "module"}, true},
		{"udev's", "libudev|\xfe\xed\xca\xfe|ACTION=add|SUBSYSTEM=block|", Event{}, false},
		{"cut", "add@/d|ACTION=add|SUBSYSTEM=bl", Event{}, false},
		{"another action inside", "add@/d|ACTION=remove|SUBSYSTEM=block|", Event{}, false},
		{"another device inside", "add@/d|ACTION=add|DEVPATH=/e|SUBSYSTEM=block|", Event{}, false},
		{"no subsystem", "add@/d|ACTION=add|", Event{}, false},
		{"nothing", "", Event{}, false},
		{"no action", "@/d|ACTION=|SUBSYSTEM=block|", Event{}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, ok := parse(text(row.message))
			assert.Equal(t, row.ok, ok)
			if ok {
				assert.Equal(t, row.want, got)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(text("add@/devices/x|ACTION=add|DEVPATH=/devices/x|SUBSYSTEM=block|DEVNAME=a=b|DEVTYPE=disk|"))
	f.Add(text("libudev|x|"))
	f.Fuzz(func(t *testing.T, message []byte) {
		e, ok := parse(message)
		if !ok {
			return
		}
		if !strings.HasPrefix(string(message), e.Action+"@"+e.Device+"\x00") || message[len(message)-1] != 0 {
			t.Errorf("%+v of %q", e, message)
		}
		for _, value := range []string{"SUBSYSTEM=" + e.Subsystem, "DEVNAME=" + e.Name, "DEVTYPE=" + e.Type} {
			if _, is, _ := strings.Cut(value, "="); is != "" && !strings.Contains(string(message), "\x00"+value+"\x00") {
				t.Errorf("%q isn't in %q", value, message)
			}
		}
	})
}

func TestFromKernel(t *testing.T) {
	kernel := unix.UnixCredentials(&unix.Ucred{})
	assert.True(t, fromKernel(&unix.SockaddrNetlink{Groups: groupKernel}, kernel))
	assert.False(t, fromKernel(&unix.SockaddrNetlink{Groups: groupKernel, Pid: 4711}, kernel), "a program's port")
	assert.False(t, fromKernel(&unix.SockaddrNetlink{Groups: 2}, kernel), "udev's group")
	assert.False(t, fromKernel(&unix.SockaddrNetlink{}, kernel), "sent to us alone")
	assert.False(t, fromKernel(&unix.SockaddrNetlink{Groups: groupKernel}, unix.UnixCredentials(&unix.Ucred{Uid: 1000})))
	assert.False(t, fromKernel(&unix.SockaddrNetlink{Groups: groupKernel}, unix.UnixCredentials(&unix.Ucred{Pid: 77})))
	assert.False(t, fromKernel(&unix.SockaddrNetlink{Groups: groupKernel}, nil), "no credentials")
	assert.False(t, fromKernel(&unix.SockaddrNetlink{Groups: groupKernel}, []byte{1, 2, 3}))
	assert.False(t, fromKernel(&unix.SockaddrUnix{}, kernel))
}

package locksmith_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/platform/locksmith"
)

func TestConfig(t *testing.T) {
	assert.Equal(t, "/etc/flatcar/update.conf", locksmith.ConfigPath("flatcar"))
	for _, c := range []struct{ before, after string }{
		{"", "REBOOT_STRATEGY=off\n"},
		{"GROUP=lts", "GROUP=lts\nREBOOT_STRATEGY=off\n"},
		{"GROUP=lts\nREBOOT_STRATEGY=etcd-lock\nSERVER=disabled\n", "GROUP=lts\n# before scaleio-agent: REBOOT_STRATEGY=etcd-lock\nSERVER=disabled\nREBOOT_STRATEGY=off\n"},
		{"REBOOT_STRATEGY=off\nREBOOT_STRATEGY=reboot\n", "# before scaleio-agent: REBOOT_STRATEGY=off\n# before scaleio-agent: REBOOT_STRATEGY=reboot\nREBOOT_STRATEGY=off\n"},
		{"#REBOOT_STRATEGY=off\n", "#REBOOT_STRATEGY=off\nREBOOT_STRATEGY=off\n"},
	} {
		assert.False(t, locksmith.RebootsOff([]byte(c.before)), c.before)
		after := locksmith.WithRebootsOff([]byte(c.before))
		assert.Equal(t, c.after, string(after))
		assert.True(t, locksmith.RebootsOff(after))
		assert.Equal(t, after, locksmith.WithRebootsOff(after), "twice is once")
		assert.False(t, locksmith.RebootsOff(locksmith.WithRebootsBack(after)), c.before)
	}
	for _, off := range []string{"REBOOT_STRATEGY=off", "REBOOT_STRATEGY=\"off\"\n", "REBOOT_STRATEGY=reboot\nREBOOT_STRATEGY='off'\n"} {
		assert.True(t, locksmith.RebootsOff([]byte(off)))
		assert.Equal(t, off, string(locksmith.WithRebootsOff([]byte(off))))
	}
	before := "GROUP=lts\nREBOOT_STRATEGY=etcd-lock\n"
	assert.Equal(t, before, string(locksmith.WithRebootsBack(locksmith.WithRebootsOff([]byte(before)))))
}

package locksmith_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/platform/locksmith"
)

func TestConfig(t *testing.T) {
	assert.Equal(t, "/etc/flatcar/update.conf", locksmith.ConfigPath("flatcar"))
	const ours = "# by scaleio-agent:\nREBOOT_STRATEGY=off\n"
	for before, want := range map[string]string{
		"":            ours,
		"GROUP=lts\n": "GROUP=lts\n" + ours,
		"GROUP=lts\nREBOOT_STRATEGY=etcd-lock\nSERVER=disabled\n":  "GROUP=lts\n# before scaleio-agent: REBOOT_STRATEGY=etcd-lock\nSERVER=disabled\n" + ours,
		"REBOOT_STRATEGY=off\nREBOOT_STRATEGY=reboot\n":            "# before scaleio-agent: REBOOT_STRATEGY=off\n# before scaleio-agent: REBOOT_STRATEGY=reboot\n" + ours,
		"#REBOOT_STRATEGY=off\n":                                   "#REBOOT_STRATEGY=off\n" + ours,
		" REBOOT_STRATEGY = \"reboot\"\n; REBOOT_STRATEGY=other\n": "# before scaleio-agent:  REBOOT_STRATEGY = \"reboot\"\n; REBOOT_STRATEGY=other\n" + ours,
	} {
		assert.False(t, locksmith.RebootsOff([]byte(before)), before)
		after := locksmith.WithRebootsOff([]byte(before))
		assert.Equal(t, want, string(after))
		assert.True(t, locksmith.RebootsOff(after))
		assert.True(t, locksmith.Marked(after))
		assert.Equal(t, after, locksmith.WithRebootsOff(after), "twice is once")
		assert.Equal(t, before, string(locksmith.WithRebootsBack(after)), "nothing is lost")
	}
	for _, off := range []string{"REBOOT_STRATEGY=off", "REBOOT_STRATEGY=\"off\"\n", "REBOOT_STRATEGY=reboot\nREBOOT_STRATEGY='off'\n"} {
		assert.True(t, locksmith.RebootsOff([]byte(off)))
		assert.Equal(t, off, string(locksmith.WithRebootsOff([]byte(off))))
		assert.Equal(t, off, string(locksmith.WithRebootsBack([]byte(off))), "it was off before: the operator's")
	}
}

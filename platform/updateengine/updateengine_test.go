package updateengine_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/updateengine"
)

const waiting = `I0915 10:11:12.123456  1234 update_engine_client.cc:246] Querying Update Engine status...
LAST_CHECKED_TIME=1694772672
PROGRESS=0.000000
CURRENT_OP=UPDATE_STATUS_UPDATED_NEED_REBOOT
NEW_VERSION=4593.1.0
NEW_SIZE=465913203
`

func TestParseStatus(t *testing.T) {
	s, err := updateengine.ParseStatus(waiting)
	require.NoError(t, err)
	assert.True(t, s.RebootWaits())
	assert.Equal(t, "4593.1.0", s.Version)

	for _, none := range []string{"0.0.0", "0.0.0.0", ""} {
		s, err = updateengine.ParseStatus("CURRENT_OP=UPDATE_STATUS_IDLE\nNEW_VERSION=" + none + "\n")
		require.NoError(t, err)
		assert.Equal(t, updateengine.Status{Operation: "UPDATE_STATUS_IDLE"}, s)
		assert.False(t, s.RebootWaits())
	}
	s, err = updateengine.ParseStatus("CURRENT_OP=\"UPDATE_STATUS_DOWNLOADING\"\nNEW_VERSION=\"4593.1.0\"\n")
	require.NoError(t, err)
	assert.False(t, s.RebootWaits())
	for _, strange := range []string{"", "CURRENT_OP=", "CURRENT_OP=UPDATE_STATUS_NEW", "UPDATE_STATUS_UPDATED_NEED_REBOOT", "CURRENT_OP=UPDATE_STATUS_IDLE\nCURRENT_OP=UPDATE_STATUS_UPDATED_NEED_REBOOT"} {
		_, err := updateengine.ParseStatus(strange)
		require.Error(t, err, strange)
	}
}

func FuzzParseStatus(f *testing.F) {
	f.Add(waiting)
	f.Add("CURRENT_OP=UPDATE_STATUS_IDLE\nNEW_VERSION=0.0.0\n")
	f.Add("CURRENT_OP==\n=\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := updateengine.ParseStatus(text)
		if err != nil {
			assert.Zero(t, s)
			return
		}
		assert.True(t, strings.HasPrefix(s.Operation, "UPDATE_STATUS_"))
		assert.Contains(t, text, s.Operation)
		assert.Contains(t, text, s.Version)
	})
}

func TestConfig(t *testing.T) {
	assert.Equal(t, "/etc/flatcar/update.conf", updateengine.ConfigPath("flatcar"))
	for _, c := range []struct{ before, after string }{
		{"", "REBOOT_STRATEGY=off\n"},
		{"GROUP=lts", "GROUP=lts\nREBOOT_STRATEGY=off\n"},
		{"GROUP=lts\nREBOOT_STRATEGY=etcd-lock\nSERVER=disabled\n", "GROUP=lts\n# before scaleio-agent: REBOOT_STRATEGY=etcd-lock\nSERVER=disabled\nREBOOT_STRATEGY=off\n"},
		{"REBOOT_STRATEGY=off\nREBOOT_STRATEGY=reboot\n", "# before scaleio-agent: REBOOT_STRATEGY=off\n# before scaleio-agent: REBOOT_STRATEGY=reboot\nREBOOT_STRATEGY=off\n"},
		{"#REBOOT_STRATEGY=off\n", "#REBOOT_STRATEGY=off\nREBOOT_STRATEGY=off\n"},
	} {
		assert.False(t, updateengine.RebootsOff([]byte(c.before)), c.before)
		after := updateengine.WithRebootsOff([]byte(c.before))
		assert.Equal(t, c.after, string(after))
		assert.True(t, updateengine.RebootsOff(after))
		assert.Equal(t, after, updateengine.WithRebootsOff(after), "twice is once")
		assert.False(t, updateengine.RebootsOff(updateengine.WithRebootsBack(after)), c.before)
	}
	for _, off := range []string{"REBOOT_STRATEGY=off", "REBOOT_STRATEGY=\"off\"\n", "REBOOT_STRATEGY=reboot\nREBOOT_STRATEGY='off'\n"} {
		assert.True(t, updateengine.RebootsOff([]byte(off)))
		assert.Equal(t, off, string(updateengine.WithRebootsOff([]byte(off))))
	}
	before := "GROUP=lts\nREBOOT_STRATEGY=etcd-lock\n"
	assert.Equal(t, before, string(updateengine.WithRebootsBack(updateengine.WithRebootsOff([]byte(before)))))
}

package scaleio_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/scaleio"
)

func TestKindOfText(t *testing.T) {
	for text, want := range map[string]scaleio.ErrorKind{
		"The system is busy. Retry later":                   scaleio.KindBusy,
		"SDS is being configured. Please retry the command": scaleio.KindBusy,
		"The SDS is not listening on the specified port. Please check the SDS port configuration and try again": scaleio.KindBusy,
		"Adding a device takes too long. This might indicate a problematic device":                              scaleio.KindSlow,
		"SDS name is already in use. Please use a different name.":                                              scaleio.KindExists,
		"The SDS IP address and port already in use. Please try with different ones.":                           scaleio.KindExists,
		"Protection Domain name already in use. Please try a different name.":                                   scaleio.KindExists,
		"Storage Pool name already exists":                                                                      scaleio.KindExists,
		"Storage Pool already exists":                                                                           scaleio.KindExists,
		"This Fault Set name already exists. Please use a different name.":                                      scaleio.KindExists,
		"An MDM with the same IP address already exists.":                                                       scaleio.KindExists,
		"A device with the given path already exists in the SDS":                                                scaleio.KindExists,
		"The Master MDM is already configured":                                                                  scaleio.KindExists,
		"The MDM is already in this cluster mode.":                                                              scaleio.KindDone,
		"The volume is already mapped to this SDC":                                                              scaleio.KindDone,
		"SDC is already approved.":                                                                              scaleio.KindDone,
		"Could not find Protection Domain":                                                                      scaleio.KindNotFound,
		"Couldn't find storage pool":                                                                            scaleio.KindNotFound,
		"Not found":                                                                                             scaleio.KindNotFound,
		"User not found. Please check that you have the correct user name.":                                     scaleio.KindNotFound,
		"This command is not supported on the Slave MDM. Please use the Master MDM IP to access the cluster":    scaleio.KindNotMaster,
		"This command is not supported on the Standby MDM. Please use the Master MDM IP to access the cluster":  scaleio.KindNotMaster,
		"The MDM cluster state is incorrect":                                                                    scaleio.KindNoCluster,
		"This MDM is not attached to a system.":                                                                 scaleio.KindNoCluster,
		"Permission denied. Please check that you are using the correct user name, password and authentication method, and that you have permission to perform this action.": scaleio.KindNotAuthenticated,
		"Invalid session. Please login and try again.": scaleio.KindNotAuthenticated,
		"Unauthorized": scaleio.KindNotAuthenticated,
		"Password change required. Please change your password.":                                                      scaleio.KindPasswordChange,
		"The password is too short. Please use a longer password.":                                                    scaleio.KindPasswordRules,
		"This password lacks character diversity, and can not be used.":                                               scaleio.KindPasswordRules,
		"Command cannot be used when a cluster is degraded":                                                           scaleio.KindDegraded,
		"This operation violates spare policy":                                                                        scaleio.KindRule,
		"System capacity is unbalanced":                                                                               scaleio.KindRule,
		"The media type is not configured":                                                                            scaleio.KindRule,
		"Could not open SDS device":                                                                                   scaleio.KindDevice,
		"The specified device size is too small.":                                                                     scaleio.KindDevice,
		"SDS is already attached to another MDM":                                                                      scaleio.KindForeign,
		"MDM was previously part of this cluster and was not properly removed":                                        scaleio.KindForeign,
		"MDM is part of another cluster or was not properly removed":                                                  scaleio.KindForeign,
		"Device already added to another SDS. To override, add the specific sds device with force device takeover.":   scaleio.KindForeign,
		"Failed to connect to MDM 10.0.0.1:6611":                                                                      scaleio.KindUnreachable,
		"This command is not available; something nobody has seen before":                                             scaleio.KindUnrecognised,
		"This operation is only allowed when there are no devices in the Storage Pool. Please remove all devices ...": scaleio.KindRule,
	} {
		assert.Equal(t, want, scaleio.KindOfText(text), text)
	}
}

func TestKindOf_findsItUnderWraps(t *testing.T) {
	err := fmt.Errorf("adding: %w", &scaleio.CommandError{Command: "x", Code: 7, Text: "The system is busy. Retry later", Known: scaleio.KindBusy})
	assert.Equal(t, scaleio.KindBusy, scaleio.KindOf(err))
	assert.Equal(t, scaleio.KindUnrecognised, scaleio.KindOf(errors.New("The system is busy. Retry later")), "only what the product said counts")
}

func TestLimitsOf(t *testing.T) {
	for _, v := range []string{"3.6-700.103", "3.6.700", "R3_6.700.103", "3.6"} {
		l, err := scaleio.LimitsOf(v)
		require.NoError(t, err, v)
		assert.Equal(t, 128, l.SDSsPerDomain)
		assert.Equal(t, 512, l.SDSsPerSystem)
		assert.Equal(t, int64(100)<<30, l.MinDeviceBytes)
	}
	l, err := scaleio.LimitsOf("2.0-10000.2072")
	require.NoError(t, err)
	assert.Equal(t, 1024, l.SDSsPerSystem)
	for _, v := range []string{"", "4.5-0.287", "3", "x.y", "3.x", "R3", "3.60.1"} {
		_, err := scaleio.LimitsOf(v)
		assert.Error(t, err, v)
	}
}

func TestDeviceName(t *testing.T) {
	assert.Equal(t, "vol-0123456789abcdef0", scaleio.DeviceName("vol-0123456789abcdef0"))
	seen := map[string]string{}
	for _, id := range []string{"wwn-0x5000c500a1b2c3d4", "/disks/node-1/a.img", "/disks/node-1-a.img", "-starts-badly", "with blank", "with-blank",
		strings.Repeat("x", 31), strings.Repeat("x", 32), strings.Repeat("x", 33), "päth", "ä", ""} {
		name := scaleio.DeviceName(id)
		assert.LessOrEqual(t, len(name), 31, id)
		assert.Regexp(t, `^[A-Za-z0-9][A-Za-z0-9._-]*$`, name)
		assert.Equal(t, name, scaleio.DeviceName(id), "stable")
		assert.Empty(t, seen[name], "%q and %q share %q", id, seen[name], name)
		seen[name] = id
	}
}

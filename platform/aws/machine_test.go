package aws

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
)

func TestWhere(t *testing.T) {
	for name, c := range map[string]struct {
		files     map[string]string
		container string
		ec2       bool
		id        string
	}{
		"Nitro":                                    {map[string]string{"sys/class/dmi/id/sys_vendor": "Amazon EC2\n", "sys/class/dmi/id/board_asset_tag": here + "\n"}, "", true, here},
		"Nitro without a tag":                      {map[string]string{"sys/class/dmi/id/sys_vendor": "Amazon EC2", "sys/class/dmi/id/board_asset_tag": "Not Specified"}, "", true, ""},
		"Xen":                                      {map[string]string{"sys/hypervisor/uuid": "ec2e1916-9099-7caf-fd21-012345abcdef", "sys/class/dmi/id/sys_vendor": "Xen", "sys/class/dmi/id/bios_version": "4.11.amazon"}, "", true, ""},
		"Xen, the other way round":                 {map[string]string{"sys/hypervisor/uuid": "45E12AEC-DCD1-B213-94ED-012345ABCDEF", "sys/hypervisor/version/extra": ".amazon"}, "", true, ""},
		"Xen, paravirtual: no firmware":            {map[string]string{"sys/hypervisor/uuid": "ec2e1916-9099-7caf-fd21-012345abcdef", "sys/hypervisor/version/extra": ".amazon"}, "", true, ""},
		"Xen elsewhere, a UUID that begins so":     {map[string]string{"sys/hypervisor/uuid": "ec2e1916-9099-7caf-fd21-012345abcdef", "sys/class/dmi/id/sys_vendor": "Xen", "sys/class/dmi/id/bios_version": "4.13.0-xcp", "sys/class/dmi/id/product_uuid": "ec2e1916-9099-7caf-fd21-012345abcdef"}, "", false, ""},
		"Xen elsewhere, paravirtual":               {map[string]string{"sys/hypervisor/uuid": "ec2e1916-9099-7caf-fd21-012345abcdef", "sys/hypervisor/version/extra": ".1"}, "", false, ""},
		"Xen elsewhere, UUID the other way round":  {map[string]string{"sys/hypervisor/uuid": "45E12AEC-DCD1-B213-94ED-012345ABCDEF"}, "", false, ""},
		"Amazon's hypervisor and another's UUID":   {map[string]string{"sys/hypervisor/uuid": "11111916-9099-7caf-fd21-012345abcdef", "sys/hypervisor/version/extra": ".amazon"}, "", false, ""},
		"Xen without /sys/hypervisor":              {map[string]string{"sys/class/dmi/id/bios_version": "4.11.amazon", "sys/class/dmi/id/product_uuid": "EC2E1916-9099-7CAF-FD21-012345ABCDEF"}, "", true, ""},
		"a machine whose UUID happens to begin so": {map[string]string{"sys/class/dmi/id/sys_vendor": "QEMU", "sys/class/dmi/id/product_uuid": "ec2e1916-9099-7caf-fd21-012345abcdef"}, "", false, ""},
		"another cloud":                            {map[string]string{"sys/class/dmi/id/sys_vendor": "Google", "sys/class/dmi/id/board_asset_tag": "8AD5D3C7"}, "", false, ""},
		"no firmware":                              {nil, "", false, ""},
		"a container on EC2 shows its host's":      {map[string]string{"sys/class/dmi/id/sys_vendor": "Amazon EC2", "sys/class/dmi/id/board_asset_tag": here}, "systemd-nspawn", false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for file, text := range c.files {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o755))
				require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte(text), 0o600))
			}
			place := Where(platform.Root(root), c.container)
			assert.Equal(t, c.ec2, place.EC2)
			assert.Equal(t, c.id, place.InstanceID)
			assert.NotEmpty(t, place.Evidence)
		})
	}
}

func TestMachine_keepsWhatWasVerified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := platform.NewFiles(platform.Root(t.TempDir()))
		s := newService()
		start := func() *Machine {
			m, err := NewMachine(files, "/state/instance.json", Place{EC2: true}, "")
			require.NoError(t, err)
			m.metadata = s.metadata(t, m.place)
			return m
		}
		m := start()
		assert.Equal(t, ReasonNotAsked, m.Known().Reason)
		known := m.Look(t.Context())
		assert.True(t, known.Verified)
		assert.Empty(t, known.Reason)
		id, err := m.Instance(t.Context())
		require.NoError(t, err)
		assert.Equal(t, here, id)

		s.broken = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(403); return true }
		known = m.Look(t.Context())
		assert.True(t, known.Verified, "a short silence unmakes nothing")
		assert.Equal(t, ReasonForbidden, known.Reason)
		time.Sleep(verifiedFor)
		_, err = m.Instance(t.Context())
		require.ErrorIs(t, err, ErrUnverified, "a long one stops buying")
		assert.Contains(t, err.Error(), ReasonForbidden)
		assert.Equal(t, here, m.Known().Instance.ID)

		m = start()
		known = m.Look(t.Context())
		assert.False(t, known.Verified)
		assert.Equal(t, Instance{ID: here, Type: "m5.large", Region: "eu-west-1", Zone: "eu-west-1a", Account: "123456789012"}, known.Instance, "kept over a restart")

		s.broken = nil
		s.instance = "m5.xlarge" // stopped, changed, started
		known = m.Look(t.Context())
		assert.True(t, known.Verified)
		assert.Equal(t, "m5.xlarge", start().Known().Instance.Type)
	})
}

// A machine image takes the agent's state with it: what was made on one instance isn't another's.
func TestMachine_copiedStateIsNoneOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := platform.NewFiles(platform.Root(t.TempDir()))
		s := newService()
		machine := func(place Place) *Machine {
			m, err := NewMachine(files, "/state/instance.json", place, "")
			require.NoError(t, err)
			m.metadata = s.metadata(t, place)
			return m
		}
		require.True(t, machine(Place{EC2: true}).Look(t.Context()).Verified)

		s.id = another
		for _, place := range []Place{{EC2: true}, {EC2: true, InstanceID: another}} {
			m := machine(place)
			known := m.Look(t.Context())
			assert.False(t, known.Verified)
			assert.Equal(t, ReasonInstanceChanged, known.Reason)
			assert.Contains(t, known.Message, here)
			assert.Contains(t, known.Message, another)
			assert.Equal(t, here, known.Instance.ID, "nothing is overwritten")
		}
		s.broken = func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(500); return true }
		known := machine(Place{EC2: true, InstanceID: another}).Look(t.Context())
		assert.Equal(t, ReasonInstanceChanged, known.Reason, "the firmware alone is enough")
	})
}

func TestMachine_isNoneWithoutACloud(t *testing.T) {
	files := platform.NewFiles(platform.Root(t.TempDir()))
	m, err := NewMachine(files, "/state/instance.json", Place{}, "")
	require.NoError(t, err)
	assert.Nil(t, m)
	m, err = NewMachine(files, "/state/instance.json", Place{}, "http://127.0.0.1:1")
	require.NoError(t, err)
	assert.NotNil(t, m, "an endpoint says that there is one")
	require.NoError(t, files.MkdirAll("/state", 0o700))
	require.NoError(t, files.Write("/state/instance.json", []byte("{"), 0o600))
	_, err = NewMachine(files, "/state/instance.json", Place{EC2: true}, "")
	require.Error(t, err)
	assert.False(t, errors.Is(err, platform.ErrNotFound))
}

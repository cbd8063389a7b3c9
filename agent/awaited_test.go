package agent

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/installer"
	"scaleio-framework/scheduler/api"
)

func TestAwaited(t *testing.T) {
	bought := []api.OrderState{{Stage: api.OrderPresent, Disk: "vol-1"}}
	for name, c := range map[string]struct {
		seen installer.Observation
		want bool
	}{
		"nothing":                            {installer.Observation{}, false},
		"a disk that nobody waits for":       {installer.Observation{Disks: []api.Disk{{ID: "sda", State: api.DiskRefused, Reason: "Mounted"}}}, false},
		"one whose contents weren't read":    {installer.Observation{Disks: []api.Disk{{ID: "sdb", State: api.DiskRefused, Reason: installer.ReasonSettling}}}, true},
		"one that was bought, and is in use": {installer.Observation{Disks: []api.Disk{{ID: "vol-1", State: api.DiskRefused, Reason: "InUse"}}, Orders: bought}, true},
		"one that was bought, and is given":  {installer.Observation{Disks: []api.Disk{{ID: "vol-1", State: api.DiskAdopted}}, Orders: bought}, false},
	} {
		assert.Equal(t, c.want, awaited(c.seen), name)
	}
}

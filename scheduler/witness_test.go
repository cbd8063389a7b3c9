package scheduler

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// After each start of its agent a node calls the pool's own disks in use, until it is told what the pool has: nobody is to read that as news. What stays so is told, and so is
// any other refusal.
func TestWitness_disksOfThePoolAfterAReboot(t *testing.T) {
	type said struct {
		after  time.Duration
		state  api.DiskState
		reason string
	}
	adopted, inUse := said{0, api.DiskAdopted, ""}, said{time.Second, api.DiskRefused, "InUse"}
	for name, c := range map[string]struct {
		says []said
		told []string
	}{
		"given to the pool":           {[]said{{0, api.DiskOffered, ""}, adopted}, []string{"DiskAdopted"}},
		"a reboot":                    {[]said{adopted, inUse, inUse, adopted}, []string{"DiskAdopted"}},
		"two reboots":                 {[]said{adopted, inUse, adopted, inUse, adopted}, []string{"DiskAdopted"}},
		"never in the pool":           {[]said{inUse, inUse}, []string{"DiskRefused"}},
		"in use for other reasons":    {[]said{adopted, {time.Second, api.DiskRefused, "HasFilesystem"}}, []string{"DiskAdopted", "DiskRefused"}},
		"it stays so":                 {[]said{adopted, inUse, {recognised, api.DiskRefused, "InUse"}, inUse}, []string{"DiskAdopted", "DiskRefused"}},
		"it stays so, and comes":      {[]said{adopted, inUse, {recognised, api.DiskRefused, "InUse"}, inUse, adopted}, []string{"DiskAdopted", "DiskRefused", "DiskAdopted"}},
		"then something else of it":   {[]said{adopted, inUse, {time.Second, api.DiskRefused, "HasFilesystem"}}, []string{"DiskAdopted", "DiskRefused"}},
		"it was away, and is offered": {[]said{adopted, inUse, {time.Second, api.DiskOffered, ""}, adopted}, []string{"DiskAdopted", "DiskAdopted"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := explaining(listed{})
			n := &decide.Node{ID: "id1", Name: "n1"}
			for _, s := range c.says {
				b.state.Now = b.state.Now.Add(s.after)
				before := *n
				n.Keep(&api.Report{Disks: []api.Disk{{ID: "d1", Path: "/dev/sdb", State: s.state, Reason: s.reason}}})
				b.witness(n, &before)
			}
			var told []string
			for _, e := range b.Events(api.EventQuery{}).Events {
				told = append(told, e.Kind)
			}
			assert.Equal(t, c.told, told)
			assert.LessOrEqual(t, len(b.unrecognised), 1)
		})
	}
}

package leader_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/scaleio"
)

// What a person put into another pool stays in sight, since an SDS with it holds data; but it is told apart: the figures are those of our pool alone.
func TestView_devicesOfAnotherPool(t *testing.T) {
	w := newWorld()
	in := w.input()
	w.converge(t, in)
	w.objects.Devices = append(w.objects.Devices, scaleio.DeviceObject{ID: "theirs", SDSID: w.objects.SDSs[1].ID, PoolID: "another", SizeBytes: 1 << 41, State: "Normal"})
	view, err := w.leader().View(t.Context(), in)
	require.NoError(t, err)
	other := map[string]bool{}
	for _, sds := range view.SDSs {
		for _, d := range sds.Devices {
			other[d.ID] = d.OtherPool
		}
	}
	require.Len(t, other, 4)
	for id, is := range other {
		assert.Equal(t, id == "theirs", is, id)
	}

	in.Spec.Cluster.StoragePool = "not-yet"
	view, err = w.leader().View(t.Context(), in)
	require.NoError(t, err)
	for _, sds := range view.SDSs {
		for _, d := range sds.Devices {
			assert.False(t, d.OtherPool, "which pool is ours isn't known")
		}
	}
}

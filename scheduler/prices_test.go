package scheduler_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
)

func TestReadPrices(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "prices.json")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	list, err := scheduler.ReadPrices("")
	require.NoError(t, err)
	own, err := scheduler.ReadPrices(file(`{"eu-central-1": {"gp3": {"gib": 0.0952}}, "us-east-1": {"gp3": {"gib": 0.07, "iops": 0.01, "freeIops": 1000}}}`))
	require.NoError(t, err)

	rows := []struct {
		region string
		volume api.VolumeOrder
		list   api.Cents // 0 = not known
		own    api.Cents
	}{
		{"us-east-1", api.VolumeOrder{Type: "gp3", SizeGiB: 200}, 1600, 1400},
		{"us-east-1", api.VolumeOrder{Type: "gp3", SizeGiB: 100, IOPS: 4000, ThroughputMiBs: 225}, 800 + 500 + 400, 700 + 3000},
		{"us-east-1", api.VolumeOrder{Type: "io2", SizeGiB: 100, IOPS: 1000}, 1250 + 6500, 1250 + 6500},
		{"us-east-1", api.VolumeOrder{Type: "sc1", SizeGiB: 125}, 188, 188}, // rounded up
		{"eu-central-1", api.VolumeOrder{Type: "gp3", SizeGiB: 100}, 0, 952},
		{"eu-central-1", api.VolumeOrder{Type: "gp2", SizeGiB: 100}, 0, 0},
	}
	for _, row := range rows {
		cost, ok := list.Monthly(row.region, row.volume)
		assert.Equal(t, row.list, cost, "%v", row)
		assert.Equal(t, row.list > 0, ok)
		cost, ok = own.Monthly(row.region, row.volume)
		assert.Equal(t, row.own, cost, "%v", row)
		assert.Equal(t, row.own > 0, ok)
	}
	for _, wrong := range []string{`{"r": {"gp3": {"gib": 0}}}`, `{"r": {"gp3": {"gib": 0.1, "iops": -1}}}`, `{"r": {"gp3": {"gbi": 0.1}}}`, `[]`, `{`} {
		_, err := scheduler.ReadPrices(file(wrong))
		assert.Error(t, err, wrong)
	}
	_, err = scheduler.ReadPrices("/nowhere/prices.json")
	assert.Error(t, err)
}

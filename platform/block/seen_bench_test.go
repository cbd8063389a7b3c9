package block_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/block"
	"scaleio-framework/platform/machinetest"
	"scaleio-framework/platform/uevent"
)

// From a disk's event to its verified identity: identity, size and flags read from /sys and judged. Its
// contents are read after that, which takes as long as the disk takes. Disks are loop devices, their events the kernel's. "event" counts from when the
// event was received, "attach" from before the disk was there.
func BenchmarkSeen_fromEventToIdentity(b *testing.B) {
	listener, err := uevent.Listen()
	require.NoError(b, err)
	defer listener.Close()
	image := machinetest.Image(b, sizeMB*mib)
	scanner := block.NewScanner("/", block.Options{})
	rules := block.Rules{AllowTypes: []string{block.TypeLoop}, MinSizeBytes: sizeMB * mib}
	var sinceEvent, sinceAttach []time.Duration
	for b.Loop() {
		begun := time.Now()
		device := machinetest.Loop(b, image, machinetest.LoopOptions{})
		for seen := false; !seen; {
			e, err := listener.Next(b.Context())
			if errors.Is(err, uevent.ErrLost) {
				continue
			}
			require.NoError(b, err)
			if e.Name != filepath.Base(device) {
				continue
			}
			heard := time.Now()
			disks, err := scanner.Scan(b.Context())
			require.NoError(b, err)
			at := slices.IndexFunc(disks, func(d block.Disk) bool { return d.Path == device && d.ID == image })
			seen = at >= 0 && disks[at].SizeBytes == sizeMB*mib && len(block.Judge(disks[at], rules)) == 0
			if seen {
				sinceEvent, sinceAttach = append(sinceEvent, time.Since(heard)), append(sinceAttach, time.Since(begun))
			}
		}
		b.StopTimer()
		require.NoError(b, machinetest.Detach(device))
		b.StartTimer()
	}
	for name, times := range map[string][]time.Duration{"event": sinceEvent, "attach": sinceAttach} {
		slices.Sort(times)
		for _, p := range []struct {
			name string
			of   int
		}{{"p50", 50}, {"p99", 99}} {
			b.ReportMetric(float64(times[(len(times)-1)*p.of/100].Microseconds())/1000, name+"-"+p.name+"-ms")
		}
	}
}

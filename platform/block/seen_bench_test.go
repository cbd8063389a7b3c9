package block_test

import (
	"context"
	"os"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/block"
	"scaleio-framework/platform/machinetest"
	"scaleio-framework/platform/uevent"
)

// From the kernel's event to the verified identity of a disk, the way that the product goes: the event is heard, identity, size and flags are read from /sys and
// judged. What the disk holds is read when udev has done with it, which takes as long as udev and the disk take. Disks are loop devices, their events the kernel's.

// An event of a disk that is there: from before the kernel is told to send one.
func BenchmarkSeen_fromEventToIdentity(b *testing.B) {
	image := machinetest.Image(b, sizeMB*mib)
	device := path.Base(machinetest.Loop(b, image, machinetest.LoopOptions{}))
	identified := identities(b)
	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		require.NoError(b, os.WriteFile(path.Join("/sys/block", device, "uevent"), []byte("change"), 0))
		took = append(took, until(b, identified, begun, device, image))
	}
	report(b, took)
}

// A disk that comes: from before it is there, the kernel's work for it included.
func BenchmarkSeen_fromAttachToIdentity(b *testing.B) {
	image := machinetest.Image(b, sizeMB*mib)
	identified := identities(b)
	var took []time.Duration
	for b.Loop() {
		begun := time.Now()
		device := machinetest.Loop(b, image, machinetest.LoopOptions{})
		took = append(took, until(b, identified, begun, path.Base(device), image))
		b.StopTimer()
		require.NoError(b, machinetest.Detach(device))
		b.StartTimer()
	}
	report(b, took)
}

type identity struct {
	disk block.Disk
	at   time.Time
}

// identities of disks as they are seen.
func identities(b *testing.B) <-chan identity {
	b.Helper()
	scanner := block.NewScanner("/", block.Options{})
	rules := block.Rules{AllowTypes: []string{block.TypeLoop}, MinSizeBytes: sizeMB * mib}
	identified, listening, done := make(chan identity, 10_000), make(chan struct{}, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(b.Context())
	go func() {
		done <- uevent.Disks(ctx, uevent.Told{
			Seen: func(name string) {
				if disk, ok := scanner.Look(name); ok && len(block.Judge(disk, rules)) == 0 {
					identified <- identity{disk, time.Now()}
				}
			},
			Settled: func([]string) {
				select {
				case listening <- struct{}{}:
				default:
				}
			},
		})
	}()
	b.Cleanup(func() {
		cancel()
		require.ErrorIs(b, <-done, context.Canceled)
	})
	<-listening
	return identified
}

// until the disk with this name was seen to be that file of this size; the machine's others go by, and what was seen of a disk that had the name before.
func until(b *testing.B, identified <-chan identity, begun time.Time, name, image string) time.Duration {
	b.Helper()
	for i := range identified {
		if i.disk.Kernel == name && i.disk.ID == image && i.disk.SizeBytes == sizeMB*mib && i.at.After(begun) {
			return i.at.Sub(begun)
		}
	}
	return 0
}

func report(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	for name, per1000 := range map[string]int{"p50-ms": 500, "p99-ms": 990, "max-ms": 1000} {
		b.ReportMetric(float64(took[(len(took)-1)*per1000/1000].Microseconds())/1000, name)
	}
}

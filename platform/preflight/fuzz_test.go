package preflight

import "testing"

func FuzzMemory(f *testing.F) {
	f.Add([]byte("MemTotal:       16384000 kB\nMemFree: 1 kB\n"))
	f.Add([]byte("MemTotal: 9223372036854775807 kB"))
	f.Add([]byte("MemTotal: -1 kB"))
	f.Fuzz(func(t *testing.T, meminfo []byte) {
		if bytes, err := memory(meminfo); err == nil && bytes < 0 {
			t.Errorf("%q gives %d bytes", meminfo, bytes)
		}
	})
}

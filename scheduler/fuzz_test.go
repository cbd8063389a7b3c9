package scheduler

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
)

// A report that a node may send: refused, or small enough in all that goes into other records than its own.
func FuzzReport(f *testing.F) {
	f.Add([]byte(`{"node":{"id":"n1","hostname":"h"},"version":{"cluster":"c"},"addresses":["10.0.0.1"],"disks":[{"id":"wwn-1","path":"/dev/sdb","link":"/dev/disk/by-id/wwn-1"}],` +
		`"orders":[{"volumeID":"vol-1","stage":"present"}],"cloud":{"region":"us-east-1"},"cluster":{"owned":{"volumes":[{"volumeID":"vol-1","sizeGiB":1}]}},` +
		`"mdm":{"certificatePEM":"x"},"gateway":{"address":"10.0.0.1:443"}}`))
	f.Add([]byte(`{"trusts":["a","b"],"disks":[{"id":"<<<<<<"}],"addresses":["fe80::1%x"]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r api.Report
		if json.Unmarshal(text, &r) != nil || checkReport(&r) != nil {
			return
		}
		for _, part := range []any{r.Node.Hostname, r.Addresses, r.Trusts, r.Gateway} {
			raw, err := json.Marshal(part)
			require.NoError(t, err)
			if len(raw) > store.MaxRecord/4 {
				t.Errorf("%d bytes of it go into other records", len(raw))
			}
		}
	})
}

// Records that another version wrote, or another hand: each kind is taken or refused, and what was taken is held together, or refused.
func FuzzRecords(f *testing.F) {
	good, err := pack(decide.NodeSettings{})
	require.NoError(f, err)
	raw, err := json.Marshal(good)
	require.NoError(f, err)
	kinds := []string{keyAuthority, keyCluster, keyFramework, keyLeases, keyRollout, keyEvents, keySecrets, kindNode + "n1", kindReport + "n1", kindAgent + "a1",
		kindEnrolment + "e1", kindEvents + "000000", kindStory + "-1", kindExpansion + "x", kindVersion + "1", "another"}
	f.Add(uint8(slices.Index(kinds, kindVersion+"1")), raw)
	f.Add(uint8(slices.Index(kinds, kindVersion+"1")), []byte(`{"gzip":"H4sIAAAAAAAA/w=="}`))
	for kind := range kinds {
		f.Add(uint8(kind), []byte(`null`))
		f.Add(uint8(kind), []byte(`{}`))
		f.Add(uint8(kind), []byte(`[{"time":"9999-12-31T23:59:59Z"}]`))
	}
	f.Add(uint8(slices.Index(kinds, keyLeases)), []byte(`{"since":"2500-01-01T00:00:00Z","service":{}}`))
	f.Add(uint8(slices.Index(kinds, keyRollout)), []byte(`{"base":1,"target":2,"told":{"n1":3}}`))
	f.Add(uint8(slices.Index(kinds, kindExpansion+"x")), []byte(`{"id":"x","orders":[{"volumes":[{}]},{}]}`))
	f.Fuzz(func(t *testing.T, kind uint8, value []byte) {
		b := newBrain(Options{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC) }})
		if b.take(store.Record{Key: kinds[int(kind)%len(kinds)], Value: value, Revision: 1}) != nil {
			return
		}
		for id, n := range b.state.Nodes {
			if id != n.ID {
				t.Errorf("%q is node %q and %q", value, id, n.ID)
			}
			b.own(n, n.AgentID)
		}
		b.sortLedger()
		b.countEvents()
		if err := b.rememberRollout(); err != nil && !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("a reason that nobody knows: %v", err)
		}
	})
}

// Files that an operator writes: a manifest names only what can be told from a path and a query, and prices are above nothing.
func FuzzFiles(f *testing.F) {
	f.Add([]byte(`{"version":"3.6","packages":[{"component":"mdm","os":"ubuntu22.04","format":"deb","url":"http://m/x.deb","size":1,"sha256":"0000000000000000000000000000000000000000000000000000000000000000"}]}`))
	f.Add([]byte(`{"moduleUrl":"http://m/{os}/{kernel}","modules":[{"os":"../..","kernel":"6.1"}],"packages":[{"component":"../x","url":"file:///etc/shadow"}]}`))
	f.Add([]byte(`{"eu-central-1":{"gp3":{"gib":0.09}}}`))
	path := filepath.Join(f.TempDir(), "file.json")
	f.Fuzz(func(t *testing.T, text []byte) {
		require.NoError(t, os.WriteFile(path, text, 0o600))
		if m, err := ReadManifest(path); err == nil {
			for _, p := range m.Packages {
				if checkPackage(p) != nil {
					t.Errorf("%q names %+v", text, p)
				}
			}
		}
		_, _ = ReadPrices(path)
	})
}

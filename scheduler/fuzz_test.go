package scheduler

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

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

// Records that a disk damaged, or another version wrote, in envelopes that are whole.
func FuzzRecords(f *testing.F) {
	good, err := pack(decide.NodeSettings{})
	require.NoError(f, err)
	raw, err := json.Marshal(good)
	require.NoError(f, err)
	f.Add(raw)
	f.Add([]byte(`{"gzip":"H4sIAAAAAAAA/w=="}`))
	f.Fuzz(func(_ *testing.T, value []byte) {
		b := &brain{versions: map[string]decide.NodeSettings{}}
		_ = b.recallVersion(store.Record{Key: kindVersion + "1", Value: value})
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

package scaleio_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/scaleio"
)

var update = flag.Bool("update", false, "write the golden files anew")

// parsers by the beginning of their samples' names.
var parsers = map[string]func(string) (any, error){
	"query_cluster":    func(s string) (any, error) { return scaleio.ParseQueryCluster(s) },
	"query_all":        func(s string) (any, error) { return scaleio.ParseQueryAll(s) },
	"query_all_sds":    func(s string) (any, error) { return scaleio.ParseQueryAllSDS(s) },
	"query_sds":        func(s string) (any, error) { return scaleio.ParseQuerySDS(s) },
	"query_all_sdc":    func(s string) (any, error) { return scaleio.ParseQueryAllSDC(s) },
	"query_users":      func(s string) (any, error) { return scaleio.ParseQueryUsers(s) },
	"query_properties": func(s string) (any, error) { return scaleio.ParseQueryProperties(s) },
	"drv_cfg_mdms":     func(s string) (any, error) { return scaleio.ParseDrvCfgMDMs(s) },
	"drv_cfg_guid":     func(s string) (any, error) { return scaleio.ParseDrvCfgGUID(s) },
}

func samples(t testing.TB, parser string) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/" + parser + "-*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]string{}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		require.NoError(t, err)
		all[strings.TrimSuffix(f, ".txt")] = string(raw)
	}
	return all
}

func TestParsers_readTheRecordedDialects(t *testing.T) {
	for name, parse := range parsers {
		for file, raw := range samples(t, name) {
			t.Run(filepath.Base(file), func(t *testing.T) {
				got, err := parse(raw)
				require.NoError(t, err)
				var b bytes.Buffer
				enc := json.NewEncoder(&b)
				enc.SetIndent("", "  ")
				require.NoError(t, enc.Encode(got))
				if *update {
					require.NoError(t, os.WriteFile(file+".json", b.Bytes(), 0o644))
				}
				want, err := os.ReadFile(file + ".json")
				require.NoError(t, err)
				assert.Equal(t, string(want), b.String())

				crlf, err := parse(strings.ReplaceAll(raw, "\n", "\r\n"))
				require.NoError(t, err, "a terminal's line ends change nothing")
				assert.Equal(t, got, crlf)
			})
		}
	}
}

// A line that isn't known, anywhere, makes the answer an unknown dialect with all of it kept.
func TestParsers_refuseAnyLineTheyDontKnow(t *testing.T) {
	for name, parse := range parsers {
		for file, raw := range samples(t, name) {
			lines := strings.SplitAfter(raw, "\n")
			for i := 0; i < len(lines); i++ {
				changed := strings.Join(lines[:i], "") + "    Quantum state: 7\n" + strings.Join(lines[i:], "")
				_, err := parse(changed)
				var u *scaleio.UnknownDialectError
				require.ErrorAs(t, err, &u, "%s with a strange line before line %d", file, i+1)
				assert.Equal(t, changed, u.Raw)
			}
			if name != "query_properties" { // its form has no end and no count
				_, err := parse(raw[:len(raw)/2])
				assert.Error(t, err, "half of %s", file)
			}
		}
		_, err := parse("")
		assert.Error(t, err, "%s of nothing", name)
	}
}

func TestParsers_refuseOtherVersions(t *testing.T) {
	for _, parser := range []string{"query_cluster", "query_sds", "query_all_sds"} {
		for file, raw := range samples(t, parser) {
			for _, old := range []string{"2.0.5014", "2.5.0", "2.0.12000", "3.6.700", "3.6.2000"} {
				raw = strings.ReplaceAll(raw, old, "4.5.1000")
			}
			if !strings.Contains(raw, "4.5.1000") {
				continue
			}
			_, err := parsers[parser](raw)
			var u *scaleio.UnknownDialectError
			assert.ErrorAs(t, err, &u, file)
		}
	}
}

func TestParseQueryCluster_membersByPlace(t *testing.T) {
	c, err := scaleio.ParseQueryCluster(samples(t, "query_cluster")["testdata/query_cluster-2.5"])
	require.NoError(t, err)
	master, ok := c.Master()
	require.True(t, ok)
	assert.Equal(t, "mdm1", master.Name)
	standby, ok := c.At("10.0.0.16")
	require.True(t, ok)
	assert.Equal(t, scaleio.PlaceStandby, standby.Place)
	assert.True(t, standby.Manager)
	tb, ok := c.At("192.168.51.15", "10.9.9.9")
	require.True(t, ok)
	assert.False(t, tb.Manager)
	assert.Equal(t, "Disconnected", tb.Status)
	_, ok = c.At("10.9.9.9")
	assert.False(t, ok)
}

// fuzz checks that a parser never panics, and that what it accepts is no garbage: unknown text is always reported as such, and what is accepted
// is accepted again without its blank lines.
func fuzz(f *testing.F, name string) {
	for _, raw := range samples(f, name) {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := parsers[name](raw)
		var u *scaleio.UnknownDialectError
		if err != nil {
			if !errors.As(err, &u) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		var lines []string
		for _, l := range strings.Split(raw, "\n") {
			if strings.TrimSpace(l) != "" {
				lines = append(lines, l)
			}
		}
		again, err := parsers[name](strings.Join(lines, "\n"))
		require.NoError(t, err)
		assert.Equal(t, got, again)
	})
}

func FuzzParseQueryCluster(f *testing.F)    { fuzz(f, "query_cluster") }
func FuzzParseQueryAll(f *testing.F)        { fuzz(f, "query_all") }
func FuzzParseQueryAllSDS(f *testing.F)     { fuzz(f, "query_all_sds") }
func FuzzParseQuerySDS(f *testing.F)        { fuzz(f, "query_sds") }
func FuzzParseQueryAllSDC(f *testing.F)     { fuzz(f, "query_all_sdc") }
func FuzzParseQueryUsers(f *testing.F)      { fuzz(f, "query_users") }
func FuzzParseQueryProperties(f *testing.F) { fuzz(f, "query_properties") }
func FuzzParseDrvCfgMDMs(f *testing.F)      { fuzz(f, "drv_cfg_mdms") }
func FuzzParseDrvCfgGUID(f *testing.F)      { fuzz(f, "drv_cfg_guid") }

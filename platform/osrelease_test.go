package platform

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseOSRelease(t *testing.T) {
	got := parseOSRelease(strings.Join([]string{
		"# a comment", "", "NAME=first", "NAME='Red Hat'\r", `PRETTY_NAME="say \"hi\" \$5 it's"`, `HALF="open`, "BAD-KEY=1", "no assignment", "=x",
		"TRAILING=a # not a comment, but ends here", "  INDENTED=yes", "EMPTY=",
	}, "\n"))
	assert.Equal(t, map[string]string{
		"NAME": "Red Hat", "PRETTY_NAME": `say "hi" $5 it's`, "HALF": "open", "TRAILING": "a", "INDENTED": "yes", "EMPTY": "",
	}, got)
}

func FuzzParseOSRelease(f *testing.F) {
	files, err := filepath.Glob("platformtest/os-release/*")
	require.NoError(f, err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(string(text))
	}
	f.Add("A=\"\\")
	f.Fuzz(func(t *testing.T, text string) {
		for key, value := range parseOSRelease(text) {
			if !isKey(key) || strings.Contains(value, "\n") || len(value) > len(text) {
				t.Errorf("%q=%q from %q", key, value, text)
			}
		}
	})
}

func TestOrder(t *testing.T) {
	a := netip.MustParseAddr
	addrs := []netip.Addr{a("2001:db8::5"), a("172.17.0.1"), a("10.0.0.4"), a("10.0.0.4")}
	assert.Equal(t, []netip.Addr{a("10.0.0.4"), a("172.17.0.1"), a("2001:db8::5")}, order(slices.Clone(addrs), a("10.0.0.4")))
	assert.Equal(t, a("172.17.0.1"), order(slices.Clone(addrs), netip.Addr{})[0], "no default route: IPv4 first")
}

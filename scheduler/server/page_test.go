package server

import (
	"io/fs"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

// The page's script reads what the API writes: a field that is renamed there would otherwise show as nothing.
func TestPage_readsFieldsThatTheStatusHas(t *testing.T) {
	script, err := assets.ReadFile("assets/status.js")
	require.NoError(t, err)
	rows := map[string]any{
		"s": api.ClusterStatus{}, "n": api.NodeStatus{}, "m": api.NodeStatus{}, "d": api.Disk{}, "p": api.PoolView{}, "v": api.ClusterView{}, "mdm": api.MDMMember{}, "g": api.GrowthView{}, "f": api.ForecastView{},
		"s.hold": api.Hold{}, "s.storage": api.ClusterView{},
	}
	read := 0
	for _, m := range regexp.MustCompile(`\b(s\.hold|s\.storage|mdm|[snmdpvgf])\.([a-z]\w*)\b(?:\()?`).FindAllStringSubmatch(string(script), -1) {
		if strings.HasSuffix(m[0], "(") {
			continue // a method
		}
		read++
		assert.Contains(t, tags(rows[m[1]]), m[2], "status.js reads %s", m[0])
	}
	assert.Greater(t, read, 40)
}

func tags(v any) (names []string) {
	kind := reflect.TypeOf(v)
	for i := range kind.NumField() {
		name, _, _ := strings.Cut(kind.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// Every element that the script looks for is in the page.
func TestPage_hasWhatItsScriptFills(t *testing.T) {
	script, err := assets.ReadFile("assets/status.js")
	require.NoError(t, err)
	page, err := assets.ReadFile("assets/status.html")
	require.NoError(t, err)
	found := regexp.MustCompile(`\$\("([a-z-]+)"\)`).FindAllStringSubmatch(string(script), -1)
	assert.Greater(t, len(found), 10)
	for _, m := range found {
		assert.Contains(t, string(page), `id="`+m[1]+`"`)
	}
}

// What nodes say is never parsed as markup, and the page asks nobody but its scheduler.
func TestPage_keepsToItself(t *testing.T) {
	entries, err := fs.ReadDir(assets, "assets")
	require.NoError(t, err)
	for _, entry := range entries {
		text, err := assets.ReadFile("assets/" + entry.Name())
		require.NoError(t, err)
		for _, never := range []string{"innerHTML", "insertAdjacentHTML", "document.write", "eval(", "http://", "https://", " style=\"", "onclick="} {
			assert.NotContains(t, string(text), never, entry.Name())
		}
	}
}

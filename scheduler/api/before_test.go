package api_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

// wire is what both sides say to each other. In testdata/before lies what the version before says, with every field of it set: that version's side reads and writes just
// that. When a version is released its messages take the place of these, and its commit is named in test/before/version.
var wire = map[string]func() any{
	"report":       func() any { return new(api.Report) },
	"answer":       func() any { return new(api.Answer) },
	"join-request": func() any { return new(api.JoinRequest) },
	"join-answer":  func() any { return new(api.JoinAnswer) },
}

// What the version before says is understood to the last field, and what it listens for is still said, under the same names and in the same way.
func TestWire_versionBefore(t *testing.T) {
	for name, made := range wire {
		t.Run(name, func(t *testing.T) {
			said, err := os.ReadFile(filepath.Join("testdata/before", name+".json"))
			require.NoError(t, err)
			value := made()
			strict := json.NewDecoder(bytes.NewReader(said))
			strict.DisallowUnknownFields()
			require.NoError(t, strict.Decode(value), "something it says isn't known any more")
			again, err := json.Marshal(value)
			require.NoError(t, err)
			var before, now any
			require.NoError(t, json.Unmarshal(said, &before))
			require.NoError(t, json.Unmarshal(again, &now))
			within(t, name, before, now)
		})
	}
}

// within: all of before is in now.
func within(t *testing.T, at string, before, now any) {
	t.Helper()
	switch was := before.(type) {
	case map[string]any:
		is, _ := now.(map[string]any)
		for key, v := range was {
			require.Contains(t, is, key, "%s: it listens for that", at)
			within(t, at+"."+key, v, is[key])
		}
	case []any:
		is, _ := now.([]any)
		require.Len(t, is, len(was), at)
		for i, v := range was {
			within(t, at, v, is[i])
		}
	default:
		assert.Equal(t, before, now, at)
	}
}

// What a version after this one says besides is ignored, wherever it stands.
func TestWire_versionAfter(t *testing.T) {
	for name, made := range wire {
		t.Run(name, func(t *testing.T) {
			said, err := os.ReadFile(filepath.Join("testdata/before", name+".json"))
			require.NoError(t, err)
			const field = "\"aFieldOfTheVersionAfter\": {\"x\": [1, \"y\"]},\n"
			more := strings.ReplaceAll(string(said), "{\n", "{\n"+field)
			more = strings.ReplaceAll(more, "\"tags\": {\n"+field, "\"tags\": {\n") // its keys are an operator's
			require.Greater(t, strings.Count(more, "aFieldOfTheVersionAfter"), 0)
			known, besides := made(), made()
			require.NoError(t, json.Unmarshal(said, known))
			require.NoError(t, json.Unmarshal([]byte(more), besides))
			assert.Equal(t, known, besides)
		})
	}
}

package mesos_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An entry is one line of a recording; the fields are those of the recorder.
type entry struct {
	T       float64           `json:"t"`
	Conn    string            `json:"conn"`
	Kind    string            `json:"kind"`
	N       int               `json:"n"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Status  string            `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
	Text    string            `json:"text"`
}

func (e entry) at() time.Duration { return time.Duration(e.T * float64(time.Second)) }

func (e entry) String() string {
	return fmt.Sprintf("t=%.3f %s %s n=%d", e.T, e.Conn, e.Kind, e.N)
}

func loadRecording(t *testing.T, name string) []entry {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	require.NoError(t, err)
	var entries []entry
	require.NoError(t, json.Unmarshal(data, &entries))
	return entries
}

// flag reads one --flag=value out of a recorded start command.
func flag(command, name string) string {
	for _, word := range strings.Fields(command) {
		if value, ok := strings.CutPrefix(word, "--"+name+"="); ok {
			return value
		}
	}
	return ""
}

// An id is a uuid with what Mesos appends: -0000, -S0, -O0. The identities of
// a recording and of its replay are paired as they show up.
var idPattern = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(-[SO]?\d+)?`)

type identities struct{ actual map[string]string }

// translate puts the replay's ids into a recorded text.
func (i identities) translate(text string) string {
	return idPattern.ReplaceAllStringFunc(text, func(id string) string {
		if actual, ok := i.actual[id]; ok {
			return actual
		}
		return id
	})
}

func (i identities) pair(recorded, actual string) bool {
	if known, ok := i.actual[recorded]; ok {
		return known == actual
	}
	if kindOfID(recorded) != kindOfID(actual) {
		return false
	}
	i.actual[recorded] = actual
	return true
}

// kindOfID tells frameworks, agents, offers and bare uuids apart.
func kindOfID(id string) string {
	match := idPattern.FindStringSubmatch(id)
	if match == nil || match[0] != id {
		return "none"
	}
	return strings.TrimRight(match[1], "0123456789")
}

// differences that don't matter: times, process ids, and what came after the
// protobufs of mesos-go (1.10).
var unimportant = map[string]bool{
	"timestamp": true, "executor_pid": true, "nanoseconds": true, "start_time": true, "elected_time": true,
	"offer_constraints": true, "build_date": true, "build_time": true, "build_user": true, "git_sha": true,
	"flags": true,
}

// compare holds a recorded JSON value against the replay's and returns the
// path of the first difference, "" if there is none.
func (i identities) compare(path string, recorded, actual any) string {
	switch want := recorded.(type) {
	case map[string]any:
		have, ok := actual.(map[string]any)
		if !ok {
			return fmt.Sprintf("%s: recorded an object, got %v", path, actual)
		}
		return i.compareObjects(path, want, have)
	case []any:
		have, ok := actual.([]any)
		if ok && strings.HasSuffix(path, ".offers") && len(want) == len(have) {
			have = i.inOrderOf(want, have)
		}
		if !ok || len(want) != len(have) {
			return fmt.Sprintf("%s: recorded %v, got %v", path, recorded, actual)
		}
		for n := range want {
			if diff := i.compare(fmt.Sprintf("%s[%d]", path, n), want[n], have[n]); diff != "" {
				return diff
			}
		}
		return ""
	case string:
		have, ok := actual.(string)
		if ok && (strings.HasSuffix(path, "uuid") || idPattern.FindString(want) == want && want != "") {
			if i.translate(want) == have || i.pair(want, have) {
				return ""
			}
		}
		if !ok || i.translate(want) != have {
			return fmt.Sprintf("%s: recorded %q, got %v", path, i.translate(want), actual)
		}
		return ""
	default:
		if !reflect.DeepEqual(recorded, actual) {
			return fmt.Sprintf("%s: recorded %v, got %v", path, recorded, actual)
		}
		return ""
	}
}

// inOrderOf sorts offers like the recorded ones, by agent: a master takes its
// agents in random order.
func (i identities) inOrderOf(want, have []any) []any {
	sorted := make([]any, 0, len(have))
	for _, recorded := range want {
		agent := i.translate(fmt.Sprint(dig(recorded, "agent_id", "value")))
		for n, actual := range have {
			if dig(actual, "agent_id", "value") == agent || len(have) == 1 {
				sorted = append(sorted, actual)
				have = append(have[:n:n], have[n+1:]...)
				break
			}
		}
	}
	return append(sorted, have...)
}

func (i identities) compareObjects(path string, want, have map[string]any) string {
	for key, value := range want {
		if unimportant[key] || ignoredAt(path, key) {
			continue
		}
		if _, ok := have[key]; !ok {
			return fmt.Sprintf("%s.%s: recorded %v, got nothing", path, key, value)
		}
		if diff := i.compare(path+"."+key, value, have[key]); diff != "" {
			return diff
		}
	}
	for key, value := range have {
		if _, ok := want[key]; !ok && !unimportant[key] {
			return fmt.Sprintf("%s.%s: not recorded, got %v", path, key, value)
		}
	}
	return ""
}

// ignoredAt: the dev agent names fewer capabilities, and mesos-go's AgentInfo
// has no checkpoint.
func ignoredAt(path, key string) bool {
	switch key {
	case "checkpoint":
		return strings.HasSuffix(path, ".agent_info")
	case "capabilities":
		return strings.Contains(path, ".agents[")
	default:
		return false
	}
}

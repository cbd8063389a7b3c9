package decide_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

func TestOvertaken(t *testing.T) {
	said := func(node, boot string, uptime int64) *api.Report {
		return &api.Report{Node: api.Identity{ID: "i-1", AgentUUID: node}, BootID: boot, UptimeMS: uptime}
	}
	have := said("a", "one", 100)
	for name, c := range map[string]struct {
		r    *api.Report
		want bool
	}{
		"older":                         {said("a", "one", 99), true},
		"the same":                      {said("a", "one", 100), false},
		"later":                         {said("a", "one", 101), false},
		"of another boot":               {said("a", "two", 1), false},
		"of another machine":            {said("b", "one", 1), false},
		"of an agent that doesn't tell": {said("a", "one", 0), false},
	} {
		assert.Equal(t, c.want, decide.Overtaken(have, c.r), name)
	}
	assert.False(t, decide.Overtaken(nil, have), "the first")
	assert.False(t, decide.Overtaken(said("a", "one", 0), have), "a stored one has none")
}

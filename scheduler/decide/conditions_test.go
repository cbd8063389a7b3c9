package decide_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// What is kept of a report is what people and decisions find in it again, to the byte.
func TestKeep_conditionsAreAsTheyCame(t *testing.T) {
	said := []api.Condition{
		{Type: "run-sds", Status: api.True, Reason: api.ReasonSatisfied, Message: "sds.service runs", Since: time.Date(2026, 11, 23, 1, 2, 3, 456789, time.UTC), Generation: 7},
		{Type: "run-mdm", Status: api.Unknown, Reason: "UnknownDialect", Message: "“?”", Generation: math.MaxInt64},
		{Type: "run-mdm", Status: "", Generation: -1},
		{},
	}
	n := &decide.Node{ID: "id1"}
	assert.Empty(t, slices.Collect(n.Conditions()), "before it reported")
	n.Keep(&api.Report{Step: "run-mdm", Conditions: slices.Clone(said)})
	assert.Equal(t, said, slices.Collect(n.Conditions()))
	assert.Equal(t, "run-mdm", n.Report.Step)
	n.Keep(&api.Report{Conditions: said[:1]})
	assert.Equal(t, said[:1], slices.Collect(n.Conditions()), "the next report takes the place of the one before")
}

// A time of another zone is the same time; one that is far away is no time that anybody could act on, and does no harm.
func TestKeep_anyTime(t *testing.T) {
	for _, since := range []string{"2026-11-23T01:02:03+05:30", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59.5Z"} {
		var c api.Condition
		require.NoError(t, json.Unmarshal(fmt.Appendf(nil, `{"type":"x","since":%q}`, since), &c))
		n := &decide.Node{}
		n.Keep(&api.Report{Conditions: []api.Condition{c}})
		kept := slices.Collect(n.Conditions())[0].Since
		_, err := json.Marshal(kept)
		assert.NoError(t, err, since)
		if y := c.Since.Year(); y > 1700 && y < 2200 && c.Since.UnixNano() != 0 {
			assert.True(t, c.Since.Equal(kept), since)
		}
	}
}

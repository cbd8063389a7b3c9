package agent

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// A pass for a new spec that finds everything as it was is news: until it is told, the scheduler can't call the node Ready.
func TestDigest_tellsWhatChangesADecision(t *testing.T) {
	of := func(c api.Condition) uint64 {
		return seen{result: step.Result{Conditions: []api.Condition{c}, Ready: true}, passes: 1}.digest()
	}
	base := api.Condition{Type: "run-sds", Status: api.True, Reason: "Satisfied", Message: "looked at 10:00", Generation: 7}
	newer, later, worse := base, base, base
	newer.Generation = 8
	later.Message = "looked at 10:01"
	worse.Status = api.False
	assert.NotEqual(t, of(base), of(newer))
	assert.NotEqual(t, of(base), of(worse))
	assert.Equal(t, of(base), of(later), "words alone aren't worth a report")
}

package step_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

func TestPlan_points(t *testing.T) {
	a := &fact{name: "a"}
	var reached []string
	r := reconciler()
	r.Reached = func(p string) { reached = append(reached, p) }
	p := step.Plan{{Step: a}, {Step: seen{}}, {Step: &fact{name: "b", true: true}, Later: true}}
	r.Pass(t.Context(), p, nil, 1)
	assert.Equal(t, []string{"apply:a", "applied:a"}, reached)
	assert.Equal(t, p.Points(), reached)
}

// seen is a step that only looks, and is wrong about that.
type seen struct{ step.Watched }

func (seen) Name() string { return "seen" }
func (seen) Check(context.Context) (step.Finding, error) {
	return step.Need("NotSo", "it isn't so"), nil
}

func TestPass_onlyLooksAtWhatIsWatched(t *testing.T) {
	r := reconciler()
	r.Reached = func(point string) { assert.Fail(t, "there is no act", point) }
	res := r.Pass(t.Context(), step.Plan{{Step: seen{}}}, nil, 1)
	assert.False(t, res.Acted)
	assert.Equal(t, api.Unknown, condition(t, res, "seen").Status)
	assert.Contains(t, condition(t, res, "seen").Message, "it isn't so")
	assert.Error(t, seen{}.Apply(t.Context()))
}

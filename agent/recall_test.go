package agent

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

// A scheduler that lost its store is told what this node follows, and gets it to do nothing else meanwhile.
func TestLink_tellsAScheduleThatLostItsStoreWhatItRemembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := testAgent(t)
		var lost atomic.Bool
		f := &fakeScheduler{}
		f.answer = func(int, api.Report) (api.Answer, error) {
			if lost.Load() {
				return api.Answer{}, api.Errorf(api.CodeRecovering, "the scheduler is being recovered")
			}
			answer := answerOf(3)
			answer.Spec.Recall, answer.Spec.Packages = []byte(`{"domain":"r1"}`), []api.Package{{Component: "sds"}}
			answer.Hold = &api.Hold{Author: "me"}
			return answer, nil
		}
		links(t, a, f)
		time.Sleep(time.Minute)
		assert.Nil(t, f.last().Recalled, "nobody asked")
		lost.Store(true)
		time.Sleep(5 * time.Minute)
		got := f.last().Recalled
		require.NotNil(t, got)
		assert.Equal(t, "me", got.Hold.Author)
		assert.EqualValues(t, 3, got.Spec.Version.Generation)
		assert.JSONEq(t, `{"domain":"r1"}`, string(got.Spec.Recall))
		assert.Empty(t, got.Spec.Packages, "the manifest has them")
		lost.Store(false)
		time.Sleep(5 * time.Minute)
		assert.Nil(t, f.last().Recalled)
	})
}

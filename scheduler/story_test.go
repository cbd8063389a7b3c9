package scheduler

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/store"
)

// However much is told, each record stays small enough, the newest thousand events are kept, and what is stored reads as it was told.
func TestStory(t *testing.T) {
	b := newBrain(Options{Log: slog.New(slog.DiscardHandler), Now: time.Now})
	stored := map[string][]byte{}
	hostile := strings.Repeat("\x00<", 600)
	for i := range 2345 {
		b.tell(api.Event{Time: time.Now(), Kind: "GrowthVolumeBought", Node: strings.Repeat("n", 31), Message: fmt.Sprint(i, hostile), Why: hostile, Who: hostile, Cost: 1 << 40})
		for key := range b.touched {
			if v := b.record(key); v == nil {
				delete(stored, key)
			} else {
				raw, err := json.Marshal(v)
				require.NoError(t, err)
				require.LessOrEqual(t, len(raw), store.MaxRecord)
				stored[key] = raw
			}
		}
		clear(b.touched)
	}
	assert.Empty(t, b.journal.events, "nothing of it is among the others")
	assert.Len(t, stored, maxChapters)
	all := b.story.events
	assert.Greater(t, len(all), 900)
	assert.Contains(t, all[len(all)-1].Message, "2344")

	again := story{}
	for _, key := range slices.Sorted(maps.Keys(stored)) {
		require.NoError(t, again.recall(store.Record{Key: key, Value: stored[key]}, kindStory))
	}
	assert.Equal(t, b.story.from, again.from)
	require.Len(t, again.events, len(all))
	assert.Equal(t, all[0].Message, again.events[0].Message)
	require.ErrorIs(t, (&story{events: all[:150]}).recall(store.Record{Key: kindStory + "000009", Value: []byte("[]")}, kindStory), store.ErrCorrupt)
}

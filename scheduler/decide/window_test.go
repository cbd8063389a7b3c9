package decide_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/decide"
)

func TestWindow(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	at := func(text string) time.Time {
		t.Helper()
		when, err := time.Parse(time.RFC3339, text)
		require.NoError(t, err)
		return when
	}
	for name, c := range map[string]struct {
		window string
		zone   *time.Location
		when   string
		open   bool
		next   string
	}{
		"none is always open":           {"", nil, "2026-11-22T12:00:00Z", true, ""},
		"within":                        {"Sat,Sun 01:00-05:00", time.UTC, "2026-11-22T01:00:00Z", true, ""},
		"its end isn't in it":           {"Sat,Sun 01:00-05:00", time.UTC, "2026-11-22T05:00:00Z", false, "2026-11-28T01:00:00Z"},
		"another day":                   {"Sat,Sun 01:00-05:00", time.UTC, "2026-11-23T02:00:00Z", false, "2026-11-28T01:00:00Z"},
		"by the clocks of its zone":     {"Sun 01:00-05:00", berlin, "2026-11-22T00:30:00Z", true, ""},
		"which aren't UTC's":            {"Sun 01:00-05:00", berlin, "2026-11-22T04:30:00Z", false, "2026-11-29T00:00:00Z"},
		"in summer":                     {"Sun 01:00-05:00", berlin, "2026-07-05T02:59:00Z", true, ""},
		"over midnight, before":         {"Sat 23:00-02:00", time.UTC, "2026-11-21T23:30:00Z", true, ""},
		"over midnight, after":          {"Sat 23:00-02:00", time.UTC, "2026-11-22T01:59:00Z", true, ""},
		"over midnight of another day":  {"Sat 23:00-02:00", time.UTC, "2026-11-21T01:00:00Z", false, "2026-11-21T23:00:00Z"},
		"every day":                     {"02:00-03:00", time.UTC, "2026-11-24T02:30:00Z", true, ""},
		"a range of days over the week": {"Fri-Mon 02:00-03:00", time.UTC, "2026-11-23T02:30:00Z", true, ""},
		"outside of that range":         {"Fri-Mon 02:00-03:00", time.UTC, "2026-11-24T02:30:00Z", false, "2026-11-27T02:00:00Z"},
		"the second of two":             {"Sat 01:00-02:00; Wed 22:00-24:00", time.UTC, "2026-11-25T23:59:59Z", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := decide.ParseWindow(c.window)
			require.NoError(t, err)
			w = w.In(c.zone)
			assert.Equal(t, c.open, w.Open(at(c.when)))
			if c.next != "" {
				assert.Equal(t, at(c.next), w.Next(at(c.when)).UTC())
			}
		})
	}
	for _, wrong := range []string{"Sat", "Sat 1:00-05:00", "Samstag 01:00-05:00", "01:00-01:00", "Sat 01:00-25:00", "Sat 24:00-02:00", "Sat 01:00", "Sat, Sun 01:00-02:00", ";", "sat 01:00-05:00"} {
		_, err := decide.ParseWindow(wrong)
		assert.Error(t, err, wrong)
	}
}

func FuzzParseWindow(f *testing.F) {
	f.Add("Sat,Sun 01:00-05:00; Mon-Fri 02:00-03:00")
	f.Add("23:00-24:00")
	f.Fuzz(func(t *testing.T, text string) {
		w, err := decide.ParseWindow(text)
		if err != nil || w.Always() {
			return
		}
		assert.False(t, w.Next(now).IsZero(), "what has hours opens within a week")
	})
}

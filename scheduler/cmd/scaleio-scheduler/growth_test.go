package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

func TestShowGrowth(t *testing.T) {
	var out bytes.Buffer
	showNext(&out, &api.GrowthView{
		Mode: api.GrowthApprove, Threshold: 70, Fullness: 71.26, UsableBytes: 396 << 30, Provisioned: 800 << 30, Volumes: 3, MaxVolumes: 48, MaxPerDay: 24, Monthly: 4800, Priced: true, Budget: 50000,
		Forecast:   &api.ForecastView{PerDay: 12 << 30, Confidence: 0.973, Confident: true, Samples: 50, SpanMS: 600_000, FullMS: 7_200_000, ThresholdMS: 60_000},
		Expansions: []api.ExpansionView{{ID: "1a2b", State: api.ExpansionProposed, What: "3 volumes", Why: "it is full", Orders: []api.OrderView{{Node: "n1"}}}, {ID: "old", State: api.ExpansionEnded}},
		Orphans:    []api.OrphanView{{VolumeID: "vol-1", Node: "n2", SizeGiB: 200, State: "available", Cost: 1600, Priced: true, Why: "delete it"}, {VolumeID: "vol-2", Node: "n3", SizeGiB: 8, State: "available", Why: "delete it"}},
		Next:       &api.ExpansionView{What: "6 volumes", Why: "not needed now"},
	})
	assert.Equal(t, `
fullness   71.3 % of 396 GB beside the spare (raw, both copies); threshold 70 %; volumes promise 800 GB
forecast   +12.0 GB a day, from 50 samples over 10m0s, of which a line explains 97 %: threshold in 1m0s, full in 2h0m0s
growth     approve; 3 of 48 volumes, 0 of 24 today; $48.00 a month, of $500.00
proposed   1a2b: 3 volumes (it is full)
           n1: ordered
ORPHAN     vol-1 on n2, 200 GiB, available, $16.00 a month: delete it
ORPHAN     vol-2 on n3, 8 GiB, available, at a price that isn't known (growth-price-file): delete it
next       6 volumes (not needed now)
`, out.String())

	out.Reset()
	showNext(&out, nil)
	assert.Empty(t, out.String())
	showNext(&out, &api.GrowthView{Mode: api.GrowthAuto, Volumes: 3, Waiting: "no sample", Next: &api.ExpansionView{Refused: "no slots"}})
	assert.Contains(t, out.String(), "waits      no sample\n")
	assert.Contains(t, out.String(), "nothing can be bought: no slots")
	assert.Contains(t, out.String(), "at a price that isn't known (growth-price-file), no budget", "not $0.00")
	assert.Equal(t, "at least $16.00 a month, the price of some isn't known (growth-price-file)", monthly(1600, false))
}

func TestForecastText(t *testing.T) {
	assert.Equal(t, "too few samples yet", forecastText(&api.ForecastView{Samples: 2}))
	assert.Contains(t, forecastText(&api.ForecastView{Samples: 9}), "not to be relied on")
	assert.Contains(t, forecastText(&api.ForecastView{Samples: 9, Confident: true}), "not filling")
	assert.Contains(t, forecastText(&api.ForecastView{Samples: 9, Confident: true, FullMS: 60_000}), ": full in 1m0s")
}

func TestShowEvents(t *testing.T) {
	var out bytes.Buffer
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	require.NoError(t, showEvents(&out, []api.Event{
		{Time: at, Kind: "GrowthStarted", Who: "ann@desk", Message: "buys 3\nvolumes", Why: "full", Cost: 4800},
		{Time: at.Add(time.Second), Node: "n1", Kind: "DiskApproved", Message: "wwn-1", Evidence: map[string]string{"role": "data", "identity": "i-1"}},
	}, false))
	assert.Equal(t, `WHEN                 WHERE    EVENT          WHO       MONTHLY  WHAT            WHY
2026-11-22 12:00:00  cluster  GrowthStarted  ann@desk  $48.00   buys 3 volumes  full
2026-11-22 12:00:01  n1       DiskApproved   -         -        wwn-1           -
`, out.String())
}

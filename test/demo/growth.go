package main

import (
	"context"
	"fmt"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/test/cases"
)

// grow is the last act: an app fills the pool, and the cluster grows by itself while the app goes on writing.
func grow(ctx context.Context, stand *cases.Stand, p *progress) error {
	fmt.Print("\nAn app fills the pool. The nodes are instances of a cloud, and the cluster may spend up to its budget.\n\n")
	told := 0
	err := stand.GrowWithin(ctx, func(view *api.GrowthView, story []api.Event) {
		for ; told < len(story); told++ {
			p.say(eventLine(story[told]))
		}
		p.pool(poolLine(view))
	})
	p.end()
	return err
}

// poolLine: how full it is, and where the forecast leads.
func poolLine(v *api.GrowthView) string {
	line := fmt.Sprintf("pool: %d of %d GiB in use, %.0f %% (grows at %d %%)", v.UsedBytes/gib, v.UsableBytes/gib, v.Fullness, v.Threshold)
	f := v.Forecast
	switch {
	case f == nil || !f.Confident:
		return line
	case f.FullMS > 0:
		return fmt.Sprintf("%s, filling by %d GiB a minute: full in %s", line, f.PerDay/(24*60)/gib, (time.Duration(f.FullMS) * time.Millisecond).Round(time.Second))
	}
	return line + ", not filling"
}

func eventLine(e api.Event) string {
	line := fmt.Sprintf("%-4s %s %s", e.Node, e.Kind, e.Message)
	if e.Cost > 0 {
		line += fmt.Sprintf(" ($%s a month)", e.Cost)
	}
	if e.Kind == "GrowthStarted" {
		line += ": " + e.Why
	}
	return line
}

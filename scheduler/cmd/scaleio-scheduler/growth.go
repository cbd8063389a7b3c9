package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/config"
	"scaleio-framework/scheduler/decide"
)

// growthSettings of the configuration.
func growthSettings(g config.Growth) (decide.GrowthSettings, error) {
	prices, err := scheduler.ReadPrices(g.PriceFile)
	return decide.GrowthSettings{
		Mode: api.GrowthMode(g.Mode), Threshold: g.Threshold, Takes: g.Takes, Safety: g.Safety, Cooldown: g.Cooldown, Patience: g.Patience,
		MaxPerNode: g.MaxPerNode, MaxPerCluster: g.MaxPerCluster, MaxPerDay: g.MaxPerDay, Budget: api.Cents(g.BudgetCents), Prices: prices, SpareSlots: g.SpareSlots,
		Volume: api.VolumeOrder{
			SizeGiB: int(g.VolumeSize >> 30), Type: g.VolumeType, IOPS: g.VolumeIOPS, ThroughputMiBs: g.VolumeThroughput, Encrypted: g.Encrypted, KMSKey: g.KMSKey,
		},
		Node: api.NodeGrowth{
			Tags: g.Tags, Endpoint: g.Endpoint, CredentialsFile: g.CredentialsFile, CleanupFile: g.CleanupFile, DeleteOnTermination: g.DeleteOnTermination,
		},
	}, err
}

func words(s string) string { return strings.Join(strings.Fields(s), " ") }

// showGrowth in a few lines: how full and when fuller, what is bought or would be, at what cost, and what is paid for in vain.
func showGrowth(out io.Writer, g *api.GrowthView) {
	if g == nil {
		return
	}
	line := func(what, format string, a ...any) {
		fmt.Fprintf(out, "%-10s %s\n", what, words(fmt.Sprintf(format, a...)))
	}
	if g.UsableBytes > 0 {
		line("fullness", "%.1f %% of %d GB beside the spare (raw, both copies); threshold %d %%; volumes promise %d GB", g.Fullness, g.UsableBytes>>30, g.Threshold, g.Provisioned>>30)
	}
	if f := g.Forecast; f != nil {
		line("forecast", "%s", forecastText(f))
	}
	budget := "no budget"
	if g.Budget > 0 {
		budget = "of $" + g.Budget.String()
	}
	line("growth", "%s; %d of %d volumes, %d of %d today; %s, %s", g.Mode, g.Volumes, g.MaxVolumes, g.OrderedToday, g.MaxPerDay, monthly(g.Monthly, g.Priced), budget)
	if g.Waiting != "" {
		line("waits", "%s", g.Waiting)
	}
	for _, e := range g.Expansions {
		if e.State == api.ExpansionProposed || e.State == api.ExpansionBuying {
			line(string(e.State), "%s: %s (%s)", e.ID, e.What, e.Why)
			for _, o := range e.Orders {
				line("", "%s: %s %s %s %s", o.Node, cmp.Or(string(o.Stage), "ordered"), o.Volume, o.Reason, o.Message)
			}
		}
	}
	for _, o := range g.Orphans {
		line("ORPHAN", "%s on %s, %d GiB, %s, %s: %s", o.VolumeID, o.Node, o.SizeGiB, o.State, monthly(o.Cost, o.Priced), o.Why)
	}
}

// monthly cost; of what has no price in its region nobody knows it.
func monthly(cost api.Cents, priced bool) string {
	switch {
	case priced:
		return "$" + cost.String() + " a month"
	case cost == 0:
		return "at a price that isn't known (growth-price-file)"
	}
	return "at least $" + cost.String() + " a month, the price of some isn't known (growth-price-file)"
}

func forecastText(f *api.ForecastView) string {
	if f.Samples < 3 {
		return "too few samples yet"
	}
	text := fmt.Sprintf("%+.1f GB a day, from %d samples over %s, of which a line explains %.0f %%", float64(f.PerDay)/(1<<30), f.Samples,
		(time.Duration(f.SpanMS) * time.Millisecond).Round(time.Second), 100*f.Confidence)
	switch {
	case !f.Confident:
		return text + ": not to be relied on"
	case f.FullMS > 0 && f.ThresholdMS > 0:
		return text + fmt.Sprintf(": threshold in %s, full in %s", ms(f.ThresholdMS), ms(f.FullMS))
	case f.FullMS > 0:
		return text + fmt.Sprintf(": full in %s", ms(f.FullMS))
	}
	return text + ": not filling"
}

func ms(n int64) time.Duration { return (time.Duration(n) * time.Millisecond).Round(time.Second) }

// showNext is what `plan` says of growth.
func showNext(out io.Writer, g *api.GrowthView) {
	if g == nil {
		return
	}
	fmt.Fprintln(out)
	showGrowth(out, g)
	if n := g.Next; n != nil && n.Refused != "" {
		fmt.Fprintf(out, "%-10s nothing can be bought: %s\n", "next", words(n.Refused))
	} else if n != nil {
		fmt.Fprintf(out, "%-10s %s (%s)\n", "next", n.What, n.Why)
	}
}

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
)

// followEvery is how soon `events --follow` tells of something new.
const followEvery = 2 * time.Second

func eventsCommand() *cobra.Command {
	var asJSON, follow, evidence bool
	var since string
	var q api.EventQuery
	cmd := asking("events", "Tell what happened: who, what, why, from which facts, at what cost",
		"Shows the events that are kept (the newest thousand of growth, and as many of everything else), oldest first. With --follow it goes on, and --json prints one object per line then.",
		cobra.NoArgs, func(ctx context.Context, p *client.People, cmd *cobra.Command, _ []string) error {
			var err error
			if q.Since, err = sinceTime(since, time.Now()); err != nil {
				return &usageError{err}
			}
			list, err := p.Events(ctx, q)
			if err != nil {
				return err
			}
			out := plain{cmd.OutOrStdout()}
			switch {
			case follow:
				return followEvents(ctx, out, q, list.Events, asJSON, p.Events)
			case asJSON:
				return writeJSON(out, list)
			}
			return showEvents(out, list.Events, evidence)
		})
	flags := cmd.Flags()
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	flags.BoolVar(&follow, "follow", false, "go on, and tell what happens from now on")
	flags.BoolVar(&evidence, "evidence", false, "show the facts that each was decided from, too")
	flags.BoolVar(&q.Growth, "growth", false, "only the story of growth")
	flags.StringVar(&q.Node, "node", "", "only what happened to or on this node")
	flags.StringVar(&since, "since", "", "only from then on: a time as 2006-01-02T15:04:05Z, or how long ago as 24h")
	return cmd
}

func sinceTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, fmt.Errorf("reading --since: %q is neither a time as 2006-01-02T15:04:05Z nor a duration as 24h", text)
	}
	return at, nil
}

// followEvents until ctx ends. A scheduler that is away is asked again: what happened meanwhile is kept there.
func followEvents(ctx context.Context, out io.Writer, q api.EventQuery, first []api.Event, asJSON bool, ask func(context.Context, api.EventQuery) (api.EventList, error)) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for events := first; ; {
		for _, e := range events {
			q.After = max(q.After, e.Seq)
			if err := tellEvent(out, e, asJSON); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		events = nil
		if list, err := ask(ctx, q); err == nil {
			events = list.Events
		} else if ctx.Err() == nil {
			fmt.Fprintln(out, "# the scheduler can't be asked:", words(err.Error()))
		}
	}
}

func tellEvent(out io.Writer, e api.Event, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(e)
	}
	why := ""
	if e.Why != "" {
		why = " (" + words(e.Why) + ")"
	}
	_, err := fmt.Fprintf(out, "%s  %s  %s  by %s: %s%s\n", e.Time.UTC().Format(time.DateTime), cmp.Or(e.Node, "cluster"), e.Kind, cmp.Or(e.Who, "-"), words(e.Message), why)
	return err
}

func showEvents(out io.Writer, events []api.Event, evidence bool) error {
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "WHEN\tWHERE\tEVENT\tWHO\tMONTHLY\tWHAT\tWHY")
	for _, e := range events {
		cost := "-"
		if e.Cost != 0 {
			cost = "$" + e.Cost.String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Time.UTC().Format(time.DateTime), cmp.Or(e.Node, "cluster"), e.Kind, cmp.Or(e.Who, "-"), cost,
			words(e.Message), cmp.Or(words(e.Why), "-"))
		if evidence && len(e.Evidence) > 0 {
			fmt.Fprintf(w, "\t\t\t\t\t  %s\t\n", facts(e.Evidence))
		}
	}
	return w.Flush()
}

func facts(all map[string]string) string {
	var text []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		text = append(text, name+"="+words(all[name]))
	}
	return strings.Join(text, " ")
}

package agent

import (
	"cmp"
	"fmt"
	"strings"
	"sync"
	"time"
)

// A LocalHold is the brake that somebody put on this node itself: the file HoldFile. Whatever is in it, even nothing, holds; what `hold` writes says besides who, and until when.
type LocalHold struct {
	Reason string
	Author string
	Until  time.Time // zero = until it is released
}

// Text of the file. Its first line is the reason: an agent that knows nothing of the rest shows that, and holds until the file is away.
func (h LocalHold) Text() string {
	text := cmp.Or(oneLine(h.Reason), "by hand") + "\n"
	if h.Author != "" {
		text += "author: " + oneLine(h.Author) + "\n"
	}
	if !h.Until.IsZero() {
		text += "until: " + h.Until.UTC().Format(time.RFC3339) + "\n"
	}
	return text
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// maxHoldFile bounds what is read of it: it goes into each report.
const maxHoldFile = 2 << 10

// parseHold takes any text. An end that can't be read is none: safe before clever.
func parseHold(text string) (h LocalHold) {
	text = text[:min(len(text), maxHoldFile)]
	for i, line := range strings.Split(strings.TrimSpace(text), "\n") {
		key, value, _ := strings.Cut(line, ": ")
		switch {
		case i == 0:
			h.Reason = strings.TrimSpace(line)
		case key == "author":
			h.Author = strings.TrimSpace(value)
		case key == "until":
			h.Until, _ = time.Parse(time.RFC3339, strings.TrimSpace(value))
		}
	}
	return h
}

// String for people.
func (h LocalHold) String() string {
	text := HoldFile
	if h.Reason != "" {
		text += ": " + h.Reason
	} else {
		text += " exists"
	}
	if h.Author != "" {
		text += ", by " + h.Author
	}
	if !h.Until.IsZero() {
		text += ", until " + h.Until.UTC().Format(time.RFC3339)
	}
	return text
}

// deadlines turn an end that was given as a time of day into one that no clock moves: from the first look on the rest counts by the monotonic clock. A process that begins
// anew looks at the clock again.
type deadlines struct {
	mu   sync.Mutex
	ends map[string]time.Time
}

// maxDeadlines that are remembered: of the file and of the scheduler's hold.
const maxDeadlines = 8

// over says whether the time of what is named so is.
func (d *deadlines) over(what string, until, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := fmt.Sprint(what, until.UnixNano())
	end, known := d.ends[key]
	if !known {
		if d.ends == nil || len(d.ends) >= maxDeadlines {
			d.ends = map[string]time.Time{}
		}
		end = now.Add(until.Sub(now))
		d.ends[key] = end
	}
	return !now.Before(end)
}

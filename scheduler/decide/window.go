package decide

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Window is when rolling reboots may begin: days and hours of a week by the clocks on the walls of a zone. The zero Window is always open.
type Window struct {
	text  string
	spans []span
	zone  *time.Location
}

// A span of hours on some days; one that ends before it begins ends on the next day.
type span struct {
	days     [7]bool // time.Weekday
	from, to int     // minutes
}

var weekdays = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// ParseWindow reads "Sat,Sun 01:00-05:00; Mon-Fri 02:00-03:00". A span without days is every day's.
func ParseWindow(text string) (Window, error) {
	w := Window{text: strings.TrimSpace(text)}
	if w.text == "" {
		return w, nil
	}
	for part := range strings.SplitSeq(w.text, ";") {
		s, err := parseSpan(strings.Fields(part))
		if err != nil {
			return Window{}, fmt.Errorf("%q isn't of the form \"Sat,Sun 01:00-05:00\": %w", strings.TrimSpace(part), err)
		}
		w.spans = append(w.spans, s)
	}
	return w, nil
}

func parseSpan(words []string) (s span, err error) {
	switch len(words) {
	case 1:
		s.days = [7]bool{true, true, true, true, true, true, true}
	case 2:
		if s.days, err = parseDays(words[0]); err != nil {
			return s, err
		}
	default:
		return s, errors.New("days and hours are wanted, in this order")
	}
	from, to, ok := strings.Cut(words[len(words)-1], "-")
	if !ok {
		return s, errors.New("hours are a beginning and an end")
	}
	if s.from, err = parseMinute(from); err != nil {
		return s, err
	}
	if s.to, err = parseMinute(to); err != nil {
		return s, err
	}
	if s.from == s.to || s.from == 24*60 {
		return s, errors.New("it is never open")
	}
	return s, nil
}

func parseDays(text string) (days [7]bool, err error) {
	for part := range strings.SplitSeq(text, ",") {
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		from, to := slices.Index(weekdays, first), slices.Index(weekdays, last)
		if from < 0 || to < 0 {
			return days, fmt.Errorf("days are %s", strings.Join(weekdays, ", "))
		}
		for d := from; ; d = (d + 1) % len(weekdays) {
			days[d] = true
			if d == to {
				break
			}
		}
	}
	return days, nil
}

func parseMinute(text string) (int, error) {
	if text == "24:00" {
		return 24 * 60, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, fmt.Errorf("%q is no time like 01:00", text)
	}
	return t.Hour()*60 + t.Minute(), nil
}

// In gives the window by the clocks of a zone.
func (w Window) In(zone *time.Location) Window {
	w.zone = zone
	return w
}

// Zone whose clocks it goes by; nil = as the time that it is asked for.
func (w Window) Zone() *time.Location { return w.zone }

// Always says whether it has no bounds.
func (w Window) Always() bool { return len(w.spans) == 0 }

func (w Window) String() string {
	if w.zone == nil {
		return w.text
	}
	return w.text + " " + w.zone.String()
}

// Open says whether it is at that time.
func (w Window) Open(t time.Time) bool {
	if w.Always() {
		return true
	}
	if w.zone != nil {
		t = t.In(w.zone)
	}
	day, minute := int(t.Weekday()), t.Hour()*60+t.Minute()
	return slices.ContainsFunc(w.spans, func(s span) bool {
		if s.from < s.to {
			return s.days[day] && s.from <= minute && minute < s.to
		}
		return s.days[day] && s.from <= minute || s.days[(day+6)%7] && minute < s.to
	})
}

// Next is when it opens after that time, to the minute; the zero time if that isn't within two weeks.
func (w Window) Next(t time.Time) time.Time {
	if w.zone != nil {
		t = t.In(w.zone)
	}
	t = t.Truncate(time.Minute)
	for range 14 * 24 * 60 {
		if t = t.Add(time.Minute); w.Open(t) {
			return t
		}
	}
	return time.Time{}
}

package decide

import (
	"math"
	"time"
)

// What makes a forecast worth acting on. A step, however steep, explains at most 0.75 of itself by a straight line; and the fewer the samples, the more often noise
// looks like a line.
const (
	fitLeast  = 6
	fitSpan   = time.Minute
	fitErrors = 3 // standard errors that the slope must be away from zero
	leastPast = 5 * time.Minute
	newHigh   = 0.01 // share of the capacity that demand must be beyond what was in use before it: what rose and fell by itself does so again
)

// windows that a line is looked for in, the shortest first: it knows soonest that something began.
var windows = []struct {
	span       time.Duration
	confidence float64 // share of the variance that the line has to explain
}{{2 * time.Minute, 0.95}, {5 * time.Minute, 0.9}, {recentSpan, 0.8}}

// A Forecast is a straight line through the used bytes of a window.
type Forecast struct {
	Rate       float64 // bytes per second
	Confidence float64 // share of the variance that the line explains
	Confident  bool
	Samples    int
	Span       time.Duration
}

// Forecast from the last minutes if they show something, else from the last day. What isn't demand, a rebuild, is left out.
func (h *History) Forecast() (f Forecast) {
	for _, w := range windows {
		if f = fit(h.recent, w.span, w.confidence); f.Confident {
			return f
		}
	}
	if long := fit(h.day, daySpan, 0.8); long.Confident {
		return long
	}
	return f
}

// higher says whether more is in use than ever was since then, up to where the forecast's window began: demand, and not something that comes and goes.
func (h *History) higher(f Forecast, since time.Time) bool {
	last, any := h.Last()
	from := last.At.Add(-f.Span)
	margin := int64(newHigh * float64(last.Usable))
	oldest, before := last.At, false
	for i := len(h.recent) - 1; any && i >= 0 && !h.recent[i].At.Before(since); i-- {
		oldest = h.recent[i].At
		if !oldest.Before(from) {
			continue
		}
		before = true
		if h.recent[i].Used+margin > last.Used {
			return false
		}
	}
	for i := len(h.day) - 1; i >= 0 && !h.day[i].At.Before(since); i-- {
		if h.day[i].At.Before(oldest) && h.day[i].peak+margin > last.Used {
			return false
		}
	}
	return before && last.At.Sub(h.zero) >= leastPast
}

// fit a line by least squares to the steady samples of the window that ends with the newest.
func fit(all []Sample, window time.Duration, confidence float64) (f Forecast) {
	if len(all) == 0 {
		return f
	}
	last := all[len(all)-1]
	var n, st, su, stt, stu, suu float64
	first := last.at
	for i := len(all) - 1; i >= 0; i-- {
		s := &all[i]
		t := s.at - last.at
		if t < -window.Seconds() {
			break
		}
		if !s.Steady {
			continue
		}
		u := float64(s.Used - last.Used)
		n, st, su, stt, stu, suu = n+1, st+t, su+u, stt+t*t, stu+t*u, suu+u*u
		first = s.at
	}
	f.Samples, f.Span = int(n), time.Duration((last.at-first)*float64(time.Second))
	if n < 3 {
		return f
	}
	vt, vu, c := stt-st*st/n, suu-su*su/n, stu-st*su/n
	if vt <= 0 || vu <= 0 {
		return f
	}
	f.Rate = c / vt
	f.Confidence = min(1, c*c/(vt*vu))
	deviation := math.Sqrt(max(0, vu-c*c/vt) / (n - 2) / vt)
	f.Confident = f.Samples >= fitLeast && f.Span >= fitSpan && f.Confidence >= confidence && math.Abs(f.Rate) > fitErrors*deviation
	return f
}

// Until so many bytes are used; ok is false if the line doesn't lead there within a year.
func (f Forecast) Until(used, level int64) (left time.Duration, ok bool) {
	if used >= level {
		return 0, true
	}
	if f.Rate <= 0 {
		return 0, false
	}
	seconds := float64(level-used) / f.Rate
	if seconds > (365 * 24 * time.Hour).Seconds() {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}

package aws

import (
	"maps"
	"net/url"
	"slices"
	"time"
)

// A Call that somebody made.
type Call struct {
	At        time.Time  `json:"at"`
	Action    string     `json:"action"`
	Instance  string     `json:"instance,omitempty"` // whose role made it
	Role      string     `json:"role,omitempty"`
	Params    url.Values `json:"params,omitempty"`
	Code      string     `json:"code,omitempty"`   // of the error that was the answer
	Effect    bool       `json:"effect,omitempty"` // it changed something (or found it changed already), whatever the answer
	Lost      bool       `json:"lost,omitempty"`   // the caller got no answer
	RequestID string     `json:"requestId"`
}

// Mutating calls are counted apart in limits and budgets.
func (c Call) Mutating() bool { return actions[c.Action].mutating }

// callsKept of the last ones; they are counted for ever.
const callsKept = 100_000

func (c *Cloud) record(call Call) {
	call.Params.Del("Action")
	call.Params.Del("Version")
	c.counts[call.Action]++
	if len(c.calls) == callsKept {
		c.calls = slices.Delete(c.calls, 0, callsKept/2)
	}
	c.calls = append(c.calls, call)
}

// Calls so far, the oldest first.
func (c *Cloud) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// Counts of calls per action.
func (c *Cloud) Counts() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.counts)
}

// ForgetCalls starts to record and count anew.
func (c *Cloud) ForgetCalls() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = nil
	clear(c.counts)
}

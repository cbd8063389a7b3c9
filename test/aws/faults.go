package aws

import (
	"slices"
	"time"
)

// A Fault makes calls fail.
type Fault struct {
	Action   string        `json:"action,omitempty"`   // "" = all
	Instance string        `json:"instance,omitempty"` // whose role calls; "" = all
	Nth      int           `json:"nth,omitempty"`      // the first call that it hits, of those that match from now on; 0 and 1 = the next
	Times    int           `json:"times,omitempty"`    // how many it hits; 0 = one, -1 = all from there on
	After    bool          `json:"after,omitempty"`    // the call does what it should, and fails only then
	Code     string        `json:"code,omitempty"`     // the error that is the answer
	Message  string        `json:"message,omitempty"`
	Delay    time.Duration `json:"delay,omitempty"` // before the answer, whatever that is
	Hang     bool          `json:"hang,omitempty"`  // there is no answer until the caller gives up
	Drop     bool          `json:"drop,omitempty"`  // the connection breaks instead of an answer
	Stuck    bool          `json:"stuck,omitempty"` // of AttachVolume and DetachVolume: it goes on attaching or detaching for ever
}

// fault that was injected, with how often it may still strike.
type fault struct {
	Fault
	skip, left int
}

// Inject a fault. Several may hit one call: the first one injected wins.
func (c *Cloud) Inject(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	left := f.Times
	if left == 0 {
		left = 1
	}
	c.faults = append(c.faults, &fault{Fault: f, skip: max(f.Nth-1, 0), left: left})
}

// Heal takes all faults back; attachments that are stuck stay so.
func (c *Cloud) Heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = nil
}

// outcome is what befalls the answer of a call.
type outcome struct {
	delay      time.Duration
	hang, drop bool
	after      bool
	date       time.Time // that the answer bears
}

// before is true if the call does nothing and isn't answered.
func (o outcome) before() bool { return !o.after && (o.hang || o.drop) }

// hit finds the fault that a call meets. One that makes it stuck is met later.
func (c *Cloud) hit(r *request) *fault {
	var found *fault
	for _, f := range c.faults {
		if !f.Stuck && f.meets(r.action, r.who.Instance) && f.strikes() && found == nil {
			found = f
		}
	}
	c.faults = slices.DeleteFunc(c.faults, func(f *fault) bool { return f.left == 0 })
	return found
}

func (f *fault) meets(action, instance string) bool {
	return (f.Action == "" || f.Action == action) && (f.Instance == "" || f.Instance == instance)
}

func (f *fault) strikes() bool {
	switch {
	case f.skip > 0:
		f.skip--
		return false
	case f.left == 0:
		return false
	case f.left > 0:
		f.left--
	}
	return true
}

// stuck is whether this attachment or detachment never ends.
func (c *Cloud) stuck(action, instance string) bool {
	for _, f := range c.faults {
		if f.Stuck && f.meets(action, instance) && f.strikes() {
			return true
		}
	}
	return false
}

func (f *fault) befalls(o *outcome) {
	if f != nil {
		o.delay, o.hang, o.drop, o.after = f.Delay, f.Hang, f.Drop, f.After
	}
}

func (f *fault) failure() error {
	message := f.Message
	if message == "" {
		message = "The stand-in was told to fail."
	}
	return failed(statusOf(f.Code), f.Code, "%s", message)
}

func (f *fault) before() error {
	if f == nil || f.After || f.Code == "" {
		return nil
	}
	return f.failure()
}

func (f *fault) after() error {
	if f == nil || !f.After || f.Code == "" {
		return nil
	}
	return f.failure()
}

package platformtest

import (
	"errors"
	"fmt"
	"sync"
)

// A Hook sees every call of a fake: it may let the effect happen, keep it from happening, or hide that it did. A nil Hook lets everything happen.
type Hook func(call string, effect func() error) error

func (h Hook) do(call string, effect func() error) error {
	if h == nil {
		return effect()
	}
	return h(call, effect)
}

// ErrCut is what every call answers once a Cutter has cut.
var ErrCut = errors.New("cut: the process is gone")

// A Cutter ends a process at its nth call: from there on all calls fail with ErrCut, until Heal. With After set, the nth call has its effect, but the
// caller never learns of it. Hand its Do method to the fakes as their Hook; systemdtest takes it too.
type Cutter struct {
	mu    sync.Mutex
	at    int // 0 = never
	after bool
	cut   bool
	calls []string
}

// CutBefore arms the cutter: call n (from 1, counted from now) has no effect.
func (c *Cutter) CutBefore(n int) { c.arm(n, false) }

// CutAfter arms the cutter: call n has its effect and is then cut.
func (c *Cutter) CutAfter(n int) { c.arm(n, true) }

// Heal lets all calls through again and starts counting anew.
func (c *Cutter) Heal() { c.arm(0, false) }

func (c *Cutter) arm(n int, after bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.after, c.cut, c.calls = n, after, false, nil
}

// Calls made since the cutter was armed or healed, in order.
func (c *Cutter) Calls() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.calls...)
}

// HasCut tells whether the cut happened: false means that the run made fewer calls.
func (c *Cutter) HasCut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut
}

// Do is a Hook.
func (c *Cutter) Do(call string, effect func() error) error {
	c.mu.Lock()
	c.calls = append(c.calls, call)
	gone := c.cut
	now := c.at > 0 && len(c.calls) == c.at
	if now {
		c.cut = true
	}
	after := c.after
	c.mu.Unlock()

	if gone || now && !after {
		return fmt.Errorf("%s: %w", call, ErrCut)
	}
	err := effect()
	if now {
		return fmt.Errorf("%s: %w", call, ErrCut)
	}
	return err
}

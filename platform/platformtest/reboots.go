package platformtest

import (
	"context"
	"io"
	"sync"
)

// Reboots are asked for and held; what a reboot does is the test's.
type Reboots struct {
	Hook Hook
	Down func()   // the machine goes down; nil = nothing happens
	By   []string // others that hold reboots

	mu    sync.Mutex
	asked int
	holds map[int]string
	next  int
}

// Reboot is accepted.
func (r *Reboots) Reboot(context.Context) error {
	return r.Hook.do("reboot", func() error {
		r.mu.Lock()
		r.asked++
		r.mu.Unlock()
		if r.Down != nil {
			r.Down()
		}
		return nil
	})
}

// Inhibitors are the others.
func (r *Reboots) Inhibitors(context.Context) (names []string, err error) {
	err = r.Hook.do("list inhibitors", func() error {
		names = r.By
		return nil
	})
	return names, err
}

// Hold until closed.
func (r *Reboots) Hold(_ context.Context, why string) (io.Closer, error) {
	var held io.Closer
	err := r.Hook.do("hold reboots", func() error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.holds == nil {
			r.holds = map[int]string{}
		}
		r.next++
		r.holds[r.next] = why
		held = rebootHold{r, r.next}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return held, nil
}

// Asked counts the reboots.
func (r *Reboots) Asked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// Held gives the reasons of those who hold reboots.
func (r *Reboots) Held() (why []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.holds {
		why = append(why, w)
	}
	return why
}

type rebootHold struct {
	of *Reboots
	id int
}

// Close lets them go.
func (h rebootHold) Close() error {
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	delete(h.of.holds, h.id)
	return nil
}

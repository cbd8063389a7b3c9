package uevent

import (
	"context"
	"errors"
	"maps"
	"os"
	"path"
	"slices"
	"sync"
	"time"
)

// quiet is how long what settled is kept back after some was told: a disk with partitions, or a shelf of disks, is many events.
const quiet = time.Second

// Told is who is told of disks. Both are called by their kernel's names ("nvme1n1"); "" stands for any disk, when events were lost.
type Told struct {
	// Seen is called at once when a disk came, went or became another one. udev isn't done with it: it may be looked at in /sys and not be opened.
	Seen func(name string)
	// Settled is called when udev has done with those that were seen until then, for the first at once and then at most once a second. It is called
	// once at the start with none, since nobody knows what was before.
	Settled func(names []string)
}

// Disks tells of disks until ctx ends. Another error means that nothing is heard any more.
func Disks(ctx context.Context, told Told) error {
	listener, err := Listen()
	if err != nil {
		return err
	}
	defer listener.Close()
	return tell(ctx, listener.Next, exists, told)
}

// tell without the socket.
func tell(ctx context.Context, next func(context.Context) (Event, error), exists func(path string) bool, told Told) error {
	came := seen{some: make(chan struct{}, 1)}
	came.some <- struct{}{}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		for {
			e, err := next(ctx)
			if err != nil && !errors.Is(err, ErrLost) {
				cancel(err)
				return
			}
			if err == nil && e.Subsystem != "block" {
				continue
			}
			name := e.disk()
			told.Seen(name) // before it can settle
			came.add(name)
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-came.some:
		}
		names := came.take()
		settled(ctx, exists)
		told.Settled(came.without(names))
		rest := time.NewTimer(quiet)
		select {
		case <-ctx.Done():
			rest.Stop()
			return context.Cause(ctx)
		case <-rest.C:
		}
	}
}

// disk that an event is about; a partition's is the one that it is on.
func (e Event) disk() string {
	if e.Device == "" {
		return ""
	}
	if e.Type == "partition" {
		return path.Base(path.Dir(e.Device))
	}
	return path.Base(e.Device)
}

// seen disks that haven't settled.
type seen struct {
	some  chan struct{}
	mu    sync.Mutex
	names map[string]bool
}

func (s *seen) add(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names == nil {
		s.names = map[string]bool{}
	}
	s.names[name] = true
	select {
	case s.some <- struct{}{}:
	default:
	}
}

func (s *seen) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := slices.Sorted(maps.Keys(s.names))
	s.names = nil
	return names
}

// without those that were seen again meanwhile: udev has begun anew with them. If events were lost, that may be any.
func (s *seen) without(names []string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.names[""] {
		for _, name := range names {
			s.names[name] = true
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return s.names[name] })
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

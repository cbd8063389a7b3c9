package aws

import (
	"context"
	"errors"
	"maps"
	"sync"
)

// A Backend makes attached volumes appear on their machines. All of its methods may be called again for what is so already: that is how a restarted cloud mends what a crash left.
type Backend interface {
	// Plug makes the machine see the volume; its data is what it was when it was unplugged last, zeros at first.
	Plug(ctx context.Context, instance Instance, v Volume) error
	// Unplug takes it away, or says ErrBusy: the machine has it open.
	Unplug(ctx context.Context, instance Instance, v Volume) error
	// Destroy its data.
	Destroy(ctx context.Context, v Volume) error
}

// ErrBusy means that the machine uses the disk.
var ErrBusy = errors.New("the machine has the disk open")

// Memory is a Backend without machines: it remembers which instance sees what.
type Memory struct {
	// Changed is called, if not nil, after an instance sees another set of disks. The cloud waits for it, so it must not ask the cloud.
	Changed func(instance string)

	mu   sync.Mutex
	seen map[string]map[string]Volume // by instance and volume
	busy map[string]bool
}

var _ Backend = (*Memory)(nil)

// NewMemory has no disks.
func NewMemory() *Memory {
	return &Memory{seen: map[string]map[string]Volume{}, busy: map[string]bool{}}
}

// Seen are the volumes that the instance has, by id.
func (m *Memory) Seen(instance string) map[string]Volume {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.seen[instance])
}

// Hold says whether the instance has the volume open.
func (m *Memory) Hold(volume string, open bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.busy[volume] = open
}

// Plug implements Backend.
func (m *Memory) Plug(_ context.Context, instance Instance, v Volume) error {
	m.mu.Lock()
	if m.seen[instance.ID] == nil {
		m.seen[instance.ID] = map[string]Volume{}
	}
	m.seen[instance.ID][v.ID] = v
	m.mu.Unlock()
	m.tell(instance.ID)
	return nil
}

// Unplug implements Backend.
func (m *Memory) Unplug(_ context.Context, instance Instance, v Volume) error {
	m.mu.Lock()
	if m.busy[v.ID] {
		m.mu.Unlock()
		return ErrBusy
	}
	delete(m.seen[instance.ID], v.ID)
	m.mu.Unlock()
	m.tell(instance.ID)
	return nil
}

// Destroy implements Backend.
func (m *Memory) Destroy(context.Context, Volume) error { return nil }

func (m *Memory) tell(instance string) {
	if m.Changed != nil {
		m.Changed(instance)
	}
}

package platformtest

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"scaleio-framework/platform/preflight"
)

// Preflight of a machine that has room and memory enough, and reaches everybody, unless it is told otherwise.
type Preflight struct {
	Hook Hook

	Room     map[string]int64 // by folder
	RAM      int64            // 0 = enough
	Taken    map[int]string   // by port: the program that has it
	Failures map[string]error // of probes, by "host:port"

	mu     sync.Mutex
	open   []int
	probed []string
}

const plenty = 1 << 50

// Free bytes.
func (p *Preflight) Free(path string) (free int64, err error) {
	free = plenty
	err = p.Hook.do("free "+path, func() error {
		if room, ok := p.Room[path]; ok {
			free = room
		}
		return nil
	})
	return free, err
}

// Memory in bytes.
func (p *Preflight) Memory() (bytes int64, err error) {
	bytes = plenty
	err = p.Hook.do("memory", func() error {
		if p.RAM > 0 {
			bytes = p.RAM
		}
		return nil
	})
	return bytes, err
}

// Meet opens ports.
func (p *Preflight) Meet(ports []int, _ []netip.Addr) error {
	return p.Hook.do("meet", func() error {
		for _, port := range ports {
			if by := p.Taken[port]; by != "" {
				return &preflight.TakenError{Port: port, By: by}
			}
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.open = slices.Clone(ports)
		return nil
	})
}

// Part closes them.
func (p *Preflight) Part() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = nil
}

// Open ports.
func (p *Preflight) Open() []int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.open)
}

// Probed addresses, in order.
func (p *Preflight) Probed() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(slices.Values(p.probed))
}

// Probe a peer.
func (p *Preflight) Probe(_ context.Context, addr string, _ []byte, _ bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.probed = append(p.probed, addr)
	return p.Failures[addr]
}

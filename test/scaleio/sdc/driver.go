package sdc

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// driver is what the kernel module is in the product: the systems of drv_cfg.txt and the block devices of their volumes.
type driver struct {
	options Options
	log     *slog.Logger
	devices blockDevices
	mapped  chan struct{}
	running sync.WaitGroup
	ctx     context.Context // of the driver, for systems added later

	mu      sync.Mutex
	config  Config
	systems []*runningSystem // in the order of config.Systems
}

// blockDevices follows the mapped volumes.
type blockDevices interface {
	run(ctx context.Context, mapped <-chan struct{}, volumes func() []*Volume)
	inUse() []string
}

type runningSystem struct {
	*System
	stop context.CancelFunc
}

func newDriver(ctx context.Context, o Options, c Config, d blockDevices) *driver {
	o.GUID = strings.ToUpper(c.GUID)
	v := &driver{options: o, log: o.Log, devices: d, mapped: make(chan struct{}, 1), ctx: ctx}
	v.configure(c)
	v.running.Go(func() { d.run(ctx, v.mapped, v.volumes) })
	return v
}

func (v *driver) poke() {
	select {
	case v.mapped <- struct{}{}:
	default: // one is pending already
	}
}

// configure starts, changes and stops systems so that they are those of c. One with any address in common is the same system.
func (v *driver) configure(c Config) {
	v.mu.Lock()
	defer v.mu.Unlock()
	old := v.systems
	v.systems, v.config = nil, c
	for _, ips := range c.Systems {
		i := slices.IndexFunc(old, func(s *runningSystem) bool {
			have, _ := s.addresses()
			return slices.ContainsFunc(have, func(ip string) bool { return slices.Contains(ips, ip) })
		})
		if i >= 0 {
			old[i].setAddresses(ips)
			v.systems = append(v.systems, old[i])
			old = slices.Delete(slices.Clone(old), i, i+1)
			continue
		}
		ctx, stop := context.WithCancel(v.ctx)
		s := &runningSystem{NewSystem(v.options, ips, v.poke), stop}
		v.running.Go(func() { s.Run(ctx) })
		v.systems = append(v.systems, s)
	}
	for _, s := range old {
		s.stop()
		for _, vol := range s.Volumes() {
			vol.unmap()
		}
	}
	v.poke()
}

func (v *driver) volumes() []*Volume {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []*Volume
	for _, s := range v.systems {
		all = append(all, s.Volumes()...)
	}
	return all
}

// queryMDMs and queryVolumes print what drv_cfg prints.
func (v *driver) queryMDMs() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "Retrieved %d mdm(s)\n", len(v.systems))
	for _, s := range v.systems {
		systemID, sdcID, installation := s.identity()
		fmt.Fprintf(&b, "MDM-ID %s SDC ID %s INSTALLATION ID %s IPs", systemID, sdcID, installation)
		ips, _ := s.addresses()
		for i, ip := range ips {
			fmt.Fprintf(&b, " [%d]-%s", i, ip)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (v *driver) queryVolumes() string {
	volumes := v.volumes()
	var b strings.Builder
	fmt.Fprintf(&b, "Retrieved %d volume(s)\n", len(volumes))
	for _, vol := range volumes {
		fmt.Fprintf(&b, "VOL-ID %s MDM-ID %s\n", vol.id, vol.system.systemID())
	}
	return b.String()
}

// change edits the running configuration; nothing is written to a file.
func (v *driver) change(edit func(*Config) error) error {
	v.mu.Lock()
	c := Config{GUID: v.config.GUID, Systems: slices.Clone(v.config.Systems)}
	v.mu.Unlock()
	if err := edit(&c); err != nil {
		return err
	}
	v.configure(c)
	return nil
}

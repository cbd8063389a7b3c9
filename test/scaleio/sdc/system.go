package sdc

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"scaleio-framework/test/scaleio/wire"
)

// noID is what drv_cfg shows while the MDM hasn't given an id.
const noID = "0000000000000000"

const (
	roundPause   = 300 * time.Millisecond // after all MDMs of the list have been tried
	registration = 1                      // the first request of a session
)

// Options are what differs between a node and a test.
type Options struct {
	GUID      string
	Build     string                                                   // "3.6.700"
	DialMDM   func(ctx context.Context, ip string) (net.Conn, error)   // port 6611
	DialSDS   func(ctx context.Context, addr string) (net.Conn, error) //
	IOTimeout time.Duration                                            // how long I/O waits for copies or for the MDM; 0 = for ever, as the product
	Log       *slog.Logger
}

// System is this SDC's view of one ScaleIO system: a session with the master MDM, and the volumes mapped to us.
type System struct {
	options Options
	log     *slog.Logger
	pool    *pool

	mu      sync.Mutex
	ips     []string
	changed chan struct{} // closed and replaced when ips change
	session *session
	id      wire.SDCAnswer // last registration: system, SDC and installation id
	volumes map[string]*Volume
	mapped  func() // told when the set of volumes or a size changes
}

// NewSystem makes a system that nobody has connected yet. mapped is called, without locks, after the set of volumes may have changed.
func NewSystem(o Options, ips []string, mapped func()) *System {
	return &System{
		options: o, log: o.Log, pool: newPool(o.DialSDS), ips: ips, changed: make(chan struct{}),
		volumes: map[string]*Volume{}, mapped: mapped,
	}
}

// Run keeps a session with the master: the next address on "not-master", on silence and on loss.
func (s *System) Run(ctx context.Context) {
	defer s.pool.close()
	for next := 0; ctx.Err() == nil; next++ {
		ips, changed := s.addresses()
		if len(ips) == 0 {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		ip := ips[next%len(ips)]
		err := s.serve(ctx, ip)
		s.log.Debug("no session", "mdm", ip, "err", err)
		if (next+1)%len(ips) == 0 {
			pause(ctx, changed, roundPause)
		}
	}
}

func pause(ctx context.Context, sooner <-chan struct{}, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-sooner:
	case <-t.C:
	}
}

// serve is one session, from dialling to its end.
func (s *System) serve(ctx context.Context, ip string) error {
	conn, err := s.options.DialMDM(ctx, ip)
	if err != nil {
		return fmt.Errorf("connecting to MDM %s: %w", ip, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	ss := newSession(conn, nil)
	ss.onMaps = func(a wire.SDCAnswer) { s.apply(ss, a) }
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if _, err := conn.Write([]byte(`{"client":"sdc"}` + "\n")); err != nil {
		cancel()
		return fmt.Errorf("greeting MDM %s: %w", ip, err)
	}
	var running sync.WaitGroup
	defer running.Wait()
	defer s.unregister(ss)
	defer cancel()
	_, changed := s.addresses()
	running.Go(ss.receive)
	running.Go(func() { // new addresses end the session: its MDM may not be among them
		select {
		case <-changed:
			cancel()
		case <-ctx.Done():
		}
	})
	local, _, _ := net.SplitHostPort(conn.LocalAddr().String())
	a, err := ss.ask(ctx, wire.SDCRequest{Op: "register", GUID: s.options.GUID, IP: local, Build: s.options.Build})
	if err != nil {
		return err
	}
	s.log.Info("registered", "mdm", ip, "system", a.SystemID, "sdc", a.SDCID, "volumes", len(a.Volumes))
	ss.keepAlive(ctx)
	s.log.Warn("MDM lost", "mdm", ip)
	return errSessionLost
}

// register is called by the session's receiver, so that no map which follows the registration is missed.
func (s *System) register(ss *session, a wire.SDCAnswer) {
	s.mu.Lock()
	s.session, s.id = ss, a
	s.id.Volumes = nil
	s.mu.Unlock()
	s.take(a.Volumes, true)
}

func (s *System) unregister(ss *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == ss {
		s.session = nil
	}
}

// apply takes maps in the order in which the MDM sent them: pushes hold all volumes, answers only what was asked for.
func (s *System) apply(ss *session, a wire.SDCAnswer) {
	s.mu.Lock()
	current := s.session == ss
	s.mu.Unlock()
	switch {
	case !current && a.Seq == registration:
		s.register(ss, a)
	case !current: // older than the registration's answer, which is complete
	case a.Seq == 0:
		s.take(a.Volumes, false)
	default:
		for _, v := range a.Volumes {
			if known := s.volume(v.ID); known != nil {
				known.update(v, false)
			}
		}
	}
}

// take makes the set of volumes what the MDM says. A new session's maps count whatever their generation is: the master knows.
func (s *System) take(all []wire.Volume, newSession bool) {
	s.mu.Lock()
	gone := maps.Clone(s.volumes)
	for _, m := range all {
		v := s.volumes[m.ID]
		if v == nil {
			v = newVolume(s, m.ID)
			s.volumes[m.ID] = v
		}
		delete(gone, m.ID)
		v.update(m, newSession)
	}
	for id, v := range gone {
		delete(s.volumes, id)
		v.unmap()
	}
	s.mu.Unlock()
	s.mapped()
}

func (s *System) volume(id string) *Volume {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.volumes[id]
}

// Volumes are those mapped to this SDC, by id.
func (s *System) Volumes() []*Volume {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := slices.Sorted(maps.Keys(s.volumes))
	volumes := make([]*Volume, 0, len(ids))
	for _, id := range ids {
		volumes = append(volumes, s.volumes[id])
	}
	return volumes
}

func (s *System) addresses() ([]string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ips, s.changed
}

func (s *System) setAddresses(ips []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Equal(s.ips, ips) {
		return
	}
	s.ips = ips
	close(s.changed)
	s.changed = make(chan struct{})
}

// identity gives the ids as drv_cfg prints them: the SDC has one only while it is registered.
func (s *System) identity() (systemID, sdcID, installation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	systemID, sdcID, installation = s.id.SystemID, s.id.SDCID, s.id.Install
	if s.session == nil {
		sdcID = ""
	}
	orNone := func(id *string) {
		if *id == "" {
			*id = noID
		}
	}
	orNone(&systemID)
	orNone(&sdcID)
	orNone(&installation)
	return systemID, sdcID, installation
}

func (s *System) systemID() string {
	id, _, _ := s.identity()
	return id
}

func (s *System) ask(ctx context.Context, req wire.SDCRequest) error {
	s.mu.Lock()
	ss := s.session
	s.mu.Unlock()
	if ss == nil {
		return fmt.Errorf("asking the MDM to %s: %w", req.Op, errSessionLost)
	}
	_, err := ss.ask(ctx, req)
	return err
}

package mdm

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"scaleio-framework/test/scaleio/wire"
)

// sdsWatch asks every SDS for its status and acts on what changed. It belongs to one office: a new master judges anew.
type sdsWatch struct {
	office *office
	kick   chan struct{}

	mu    sync.Mutex
	known map[string]*sdsStatus
}

type sdsStatus struct {
	watched   bool
	connected bool
	judged    bool // seen once, or missed often enough
	failures  int
	devices   map[string]wire.SDSDevice
	lost      map[string]time.Time // since when a device is lost; by id, "" for the SDS itself
}

// missesUntilLost keeps one lost packet from degrading the data.
const missesUntilLost = 2

func newSDSWatch(o *office) *sdsWatch {
	return &sdsWatch{office: o, kick: make(chan struct{}, 1), known: map[string]*sdsStatus{}}
}

func (w *sdsWatch) status(id string) *sdsStatus {
	if w.known[id] == nil {
		w.known[id] = &sdsStatus{}
	}
	return w.known[id]
}

// follow counts an SDS that has just said hello as connected.
func (w *sdsWatch) follow(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	st := w.status(id)
	st.connected, st.judged = true, true
}

func (w *sdsWatch) connected(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status(id).connected
}

// up: data can be written there now. A device that the last status didn't list yet was added since.
func (w *sdsWatch) up(sds, device string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	st := w.status(sds)
	return st.connected && st.devices[device].Error == ""
}

// lost is not the opposite of up: before the first judgement nothing is lost.
func (w *sdsWatch) lost(sds, device string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	st := w.status(sds)
	return st.judged && (!st.connected || st.devices[device].Error != "")
}

// lostFor tells whether a device has been lost for so long.
func (w *sdsWatch) lostFor(sds, device string, long time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range []string{"", device} {
		if since, lost := w.status(sds).lost[id]; lost && time.Since(since) >= long {
			return true
		}
	}
	return false
}

// noteLosses keeps the time of what was lost before, and forgets what is there again.
func (st *sdsStatus) noteLosses() {
	was := st.lost
	st.lost = map[string]time.Time{}
	note := func(id string) {
		if st.lost[id] = was[id]; was[id].IsZero() {
			st.lost[id] = time.Now()
		}
	}
	if st.judged && !st.connected {
		note("")
	}
	for id, d := range st.devices {
		if d.Error != "" {
			note(id)
		}
	}
}

// whileUp gives a context that ends when a device of these is lost: the volume's writes wait for what is done under it, and an SDS that the
// network lost answers nothing for as long as one waits.
func (w *sdsWatch) whileUp(ctx context.Context, copies ...Copy) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		ticker := time.NewTicker(w.office.node.opt.Watch / 4)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			for _, c := range copies {
				if !w.up(c.SDS, c.Device) {
					cancel()
					return
				}
			}
		}
	}()
	return ctx, cancel
}

func (w *sdsWatch) device(sds, device string) (wire.SDSDevice, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d, ok := w.status(sds).devices[device]
	return d, ok
}

func (w *sdsWatch) wake() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

func (w *sdsWatch) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	ticker := time.NewTicker(w.office.node.opt.Watch)
	defer ticker.Stop()
	moves := time.NewTicker(w.office.node.opt.RebalanceEvery)
	defer moves.Stop()
	for {
		w.startLoops(ctx, group)
		if err := w.office.mend(ctx); err != nil && ctx.Err() == nil {
			w.office.node.log.Warn("mending copies failed, will retry", "err", err)
		}
		select {
		case <-ctx.Done():
			_ = group.Wait()
			return context.Cause(ctx)
		case <-ticker.C:
		case <-w.kick:
		case <-moves.C:
			if err := w.office.rebalance(); err != nil && ctx.Err() == nil {
				w.office.node.log.Warn("rebalancing failed, will retry", "err", err)
			}
		}
	}
}

func (w *sdsWatch) startLoops(ctx context.Context, group *errgroup.Group) {
	s := w.office.state.Load()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range s.SDSs {
		if st := w.status(x.ID); !st.watched {
			st.watched = true
			group.Go(func() error { w.loop(ctx, x.ID); return nil })
		}
	}
}

func (w *sdsWatch) loop(ctx context.Context, id string) {
	ticker := time.NewTicker(w.office.node.opt.Watch)
	defer ticker.Stop()
	for {
		s := w.office.state.Load()
		address := s.address(id)
		if address == "" {
			w.mu.Lock()
			delete(w.known, id)
			w.mu.Unlock()
			return
		}
		answer, err := askSDS(ctx, address, w.office.node.opt.WatchTimeout, wire.SDSRequest{Op: "status", System: s.System.ID, SDS: id})
		if ctx.Err() != nil {
			return
		}
		w.note(id, err == nil && answer.SDS == id && answer.System == s.System.ID, answer.Devices)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (w *sdsWatch) note(id string, ok bool, devices []wire.SDSDevice) {
	w.mu.Lock()
	defer w.mu.Unlock()
	st := w.status(id)
	was := st.connected
	if ok {
		st.connected, st.judged, st.failures = true, true, 0
		st.devices = map[string]wire.SDSDevice{}
		for _, d := range devices {
			st.devices[d.ID] = d
		}
	} else if st.failures++; st.failures >= missesUntilLost {
		st.connected, st.judged = false, true
	}
	st.noteLosses()
	if was != st.connected {
		w.office.node.log.Info("sds", "id", id, "connected", st.connected)
		w.wake()
	}
}

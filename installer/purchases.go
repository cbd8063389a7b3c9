package installer

import (
	"fmt"
	"sync"
	"time"

	"scaleio-framework/scheduler/api"
)

// purchases is what this process saw of its orders in EC2. It saves calls and is gone with the process: the volumes' tags and the ledger are the record.
type purchases struct {
	now func() time.Time

	mu   sync.Mutex
	of   map[string]*purchase
	look time.Time // when EC2 is to be asked again
}

// A purchase is how far one attempt of one order came.
type purchase struct {
	api.OrderState
	device string    // as requested at the attachment: what finds the disk where no serial does
	over   bool      // nothing more is asked of EC2 for it
	asked  time.Time // when this process asked EC2 for it first
	since  time.Time // when stage or reason changed last
}

func purchaseKey(o api.VolumeOrder) string {
	return fmt.Sprintf("%s.%d.%t", o.Key(), o.Attempt, o.Abandon)
}

// get gives a copy.
func (p *purchases) get(o api.VolumeOrder) purchase {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.of[purchaseKey(o)]; known != nil {
		return *known
	}
	fresh := purchase{since: p.now()}
	fresh.Expansion, fresh.Index, fresh.Attempt, fresh.VolumeID = o.Expansion, o.Index, o.Attempt, o.VolumeID
	fresh.Stage, fresh.Reason, fresh.Message, fresh.Retry = api.OrderWaiting, reasonNotLookedYet, "EC2 wasn't asked for it yet", true
	if o.VolumeID != "" {
		fresh.Stage = api.OrderCreated
	}
	if one := p.of[purchaseKey(other(o))]; one != nil { // it was given up since: what was found out of it stands
		fresh.VolumeID, fresh.Disk, fresh.device = one.VolumeID, one.Disk, one.device
	}
	return fresh
}

// other is the same order before it was given up.
func other(o api.VolumeOrder) api.VolumeOrder {
	o.Abandon = !o.Abandon
	return o
}

func (p *purchases) put(o api.VolumeOrder, to purchase) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of = map[string]*purchase{}
	}
	if old := p.of[purchaseKey(o)]; old == nil || old.Stage != to.Stage || old.Reason != to.Reason {
		to.since = p.now()
	}
	p.of[purchaseKey(o)] = &to
}

// lasted tells how long stage and reason have stood.
func (p *purchases) lasted(one purchase, stage api.OrderStage, reason string) time.Duration {
	if one.Stage != stage || one.Reason != reason {
		return 0
	}
	return p.now().Sub(one.since)
}

// rest: EC2 isn't asked again before.
func (p *purchases) rest(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look = p.now().Add(d)
}

func (p *purchases) due() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.now().Before(p.look)
}

// keep drops what was remembered of orders that aren't the node's any more. One that is told again is looked at anew: credentials may be others by then.
func (p *purchases) keep(orders []api.VolumeOrder) {
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := map[string]bool{}
	for _, o := range orders {
		wanted[purchaseKey(o)], wanted[purchaseKey(other(o))] = true, true
	}
	for key := range p.of {
		if !wanted[key] {
			delete(p.of, key)
		}
	}
	if len(orders) == 0 {
		p.look = time.Time{}
	}
}

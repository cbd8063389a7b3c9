package aws

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The account's buckets are shared by all its instances, and their sizes aren't published for each account: each node stays well below what one alone may
// ask, and every one gives way when the account is throttled.
const (
	readsPerSecond  = 2
	readsAtOnce     = 5
	writesPerSecond = 5
	writesAtOnce    = 20
	slowest         = rate.Limit(1.0 / 30)
)

// A pace is a token bucket that becomes slower at once when EC2 throttles, and faster again by and by.
type pace struct {
	full    rate.Limit
	limiter *rate.Limiter
	mu      sync.Mutex
}

func newPace(perSecond rate.Limit, atOnce int) *pace {
	return &pace{full: perSecond, limiter: rate.NewLimiter(perSecond, atOnce)}
}

// wait for a token; it fails at once if ctx would end before there is one.
func (p *pace) wait(ctx context.Context) error { return p.limiter.Wait(ctx) }

// throttled halves the rate and empties the bucket.
func (p *pace) throttled() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limiter.SetLimit(max(slowest, p.limiter.Limit()/2))
	p.limiter.AllowN(time.Now(), int(p.limiter.Tokens()))
}

// answered brings a slowed rate back in steps of a tenth.
func (p *pace) answered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limiter.Limit() < p.full {
		p.limiter.SetLimit(min(p.full, p.limiter.Limit()+p.full/10))
	}
}

// Pauses between attempts of one call: full jitter, so that nodes that were throttled together come back apart.
const (
	firstPause = time.Second
	lastPause  = 20 * time.Second
)

func backOff(attempt int) time.Duration {
	most := min(firstPause<<(attempt-1), lastPause)
	return most/4 + rand.N(most*3/4)
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

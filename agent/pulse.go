package agent

import (
	"context"
	"os"
	"strconv"
	"sync"
	"time"
)

// A pulse knows by when the main loop has to show itself again; the watchdog pings only until then, so a hung loop is restarted by systemd though other
// goroutines still run.
type pulse struct {
	mu  sync.Mutex
	due time.Time
}

func (p *pulse) begin(limit time.Duration) { p.set(limit) }
func (p *pulse) rest(limit time.Duration)  { p.set(limit) }

func (p *pulse) set(limit time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due = time.Now().Add(limit)
}

func (p *pulse) alive() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.due.IsZero() || time.Now().Before(p.due)
}

// watchdog pings systemd at a third of its interval while the main loop is alive.
func (a *Agent) watchdog(ctx context.Context) error {
	usec, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 { // not started by systemd
		<-ctx.Done()
		return ctx.Err()
	}
	tick := time.NewTicker(time.Duration(usec) * time.Microsecond / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if a.pulse.alive() {
				a.Notify("WATCHDOG=1")
			} else {
				a.Log.Error("the main loop doesn't move: letting systemd restart the agent")
			}
		}
	}
}

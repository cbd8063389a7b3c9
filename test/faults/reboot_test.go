package faults_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/agent"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
)

// reboots of a plan: which nodes are to be rebooted, and when that begins to be so.
type reboots struct {
	on     bool // the policy is rolling
	wishes []wish
}

type wish struct {
	node   int
	at     time.Duration
	inVain bool // what asks for it outlives the boot
	late   bool // the machine stays away for longer than it may
}

const (
	rebootRarity = 4               // one seed in so many
	rebootWithin = 5 * time.Minute // is the cluster's setting
	rebootTime   = 4 * time.Minute // that a run has more for them
)

// rebootsOf a seed, by dice of their own.
func rebootsOf(seed uint64, p *plan, rarity int) (r reboots) {
	dice := rand.New(rand.NewPCG(seed, 0x4eb007))
	if dice.IntN(rarity) > 0 {
		return r
	}
	r.on = true
	p.rage += rebootTime
	for range 1 + dice.IntN(4) {
		r.wishes = append(r.wishes, wish{dice.IntN(p.nodes), 20*time.Second + time.Duration(dice.Int64N(int64(p.rage-time.Minute))), dice.IntN(12) == 0, dice.IntN(6) == 0})
	}
	return r
}

// restart is what a node's machine knows of its reboots.
type restart struct {
	leases         *agent.Leases // of this process
	wished, inVain bool
	late           bool      // the next one takes long
	may            time.Time // when its agent last looked, and had the right to
	asked          time.Time // its machine goes down by our act, and isn't back; zero = it doesn't
	boot           string    // that this ends
	ours           int       // reboots
	again          bool      // it was rebooted for what that didn't end
}

// rights of an agent, with when it looked at that to reboot.
type rights struct {
	*agent.Leases
	n *node
}

func (r rights) Left(name api.LeaseName) (time.Duration, bool) {
	left, held := r.Leases.Left(name)
	if name == api.LeaseReboot && held {
		r.n.may = time.Now()
	}
	return left, held
}

// oursToo where nodes are rebooted.
var oursToo = []string{"join-cluster", "serve-storage", "reboot-node"}

func (n *node) follows(step string) bool {
	return contains(ours, step) || n.w.plan.reboots.on && contains(oursToo, step)
}

const rebootRequired = "/run/reboot-required"

// wish for the reboots whose time has come.
func (w *world) wish() {
	r := &w.plan.reboots
	for i := 0; i < len(r.wishes); i++ {
		want := r.wishes[i]
		n := w.nodes[want.node]
		if time.Since(w.begun) < want.at || !n.powered() {
			continue
		}
		r.wishes = append(r.wishes[:i:i], r.wishes[i+1:]...)
		i--
		w.note("%s is to be rebooted", n.name)
		n.machine.Files.Set(rebootRequired, "", 0o644)
		n.wished, n.inVain, n.late = true, n.inVain || want.inVain, n.late || want.late
	}
}

// boots: what was to be ended by that is gone with /run, or not.
func (n *node) boots() {
	n.machine.Facts.BootID += "+"
	if n.wished && !n.inVain {
		n.machine.Files.Delete(rebootRequired)
		n.wished = false
	}
}

// mended by a person.
func (n *node) mended() {
	n.wished, n.inVain, n.again = false, false, false
	n.machine.Files.Delete(rebootRequired)
}

// power is the machine's PID 1, as its agent asks it.
func (n *node) power(call string, effect func() error) error {
	if n.dead {
		return errDied
	}
	if call != "reboot" {
		return effect()
	}
	switch n.w.fate(n.name, call) {
	case fails:
		return systemd.ErrRefused
	case lostRequest:
		return errLost
	case lostAnswer:
		return errors.Join(effect(), errLost)
	case hangs: // it is taken, and nothing comes of it
		n.w.note("the reboot of %s never comes", n.name)
		return nil
	case late: // something takes long to stop
		n.goesDown(n.w.between(20*time.Second, 4*time.Minute))
		return nil
	case diesBefore:
		n.die(call)
		return errDied
	case diesAfter:
		_ = effect()
		n.die(call)
		return errDied
	case freezes:
		n.w.pause(n)
		if n.dead {
			return errDied
		}
	}
	return effect()
}

// goesDown: PID 1 took the order, and ends all that runs.
func (n *node) goesDown(in time.Duration) {
	w := n.w
	if !n.asked.IsZero() && n.boot == n.machine.Facts.BootID {
		return // it does already
	}
	w.note("%s goes down in %s", n.name, in)
	w.checkReboot(n)
	n.asked, n.boot = time.Now(), n.machine.Facts.BootID
	w.after(in, "", func() {
		if n.machine.Facts.BootID != n.boot {
			return // it lost its power meanwhile
		}
		away := w.between(30*time.Second, 2*time.Minute)
		if n.late {
			away, n.late = w.between(rebootWithin+time.Minute, 2*rebootWithin), false
		}
		n.ours, n.again = n.ours+1, n.inVain
		n.lose(away)
	})
}

// interrupted by our own act: its machine goes down, or is.
func (n *node) interrupted() bool {
	n.returned()
	return !n.asked.IsZero()
}

// returned from that: what befalls it later is something else.
func (n *node) returned() {
	if !n.asked.IsZero() && n.boot != n.machine.Facts.BootID && n.powered() {
		n.asked = time.Time{}
	}
}

// Whatever befalls a cluster whose nodes ask to be rebooted: one at a time goes down, while the storage can do without it, and all of them in the end.
func TestSeeds_reboot(t *testing.T) {
	did := map[string]int{}
	for seed := *first; seed < *first+min(*seeds, few); seed++ {
		p := planOf(seed)
		p.reboots = rebootsOf(seed, &p, 1)
		o := live(t, p)
		if len(o.wrong) > 0 {
			t.Fatalf("seed %d: %s\n%s", seed, strings.Join(o.wrong, "; "), o.story)
		}
		for _, n := range o.world.nodes {
			did["reboots"] += n.ours
		}
		for what, n := range o.world.person.did {
			did[what] += n
		}
		for _, kind := range []string{"RebootLate", "DisruptionReleased", "Held", "MaintenanceWanted"} {
			did[kind] += o.world.count(kind)
		}
	}
	t.Log(did)
	assert.Positive(t, did["reboots"])
}

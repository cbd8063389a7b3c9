package scheduler

import (
	"context"
	"time"

	"scaleio-framework/scheduler/trust"
)

// Pace of asking Mesos what runs.
const (
	inquiryEvery  = 5 * time.Second  // each answer tells all tasks
	inquiryAnswer = 15 * time.Second // no call takes longer, and the filter of a declined offer does
)

// Reasons of updates that the master makes itself.
const (
	reasonReturned = "REASON_AGENT_REREGISTERED" // a Mesos agent is back with its tasks
	reasonAsked    = "REASON_RECONCILIATION"     // what the master knows: of a task that it doesn't, another may have taken the place
)

// inquiry is what a scheduler that may know less than was done asks Mesos before it launches where it knows of no task. A master that was restarted tells of no task whose agent
// isn't back (recorded, 34), neither then nor when it comes back; but it offers only agents that are, so it is asked after an offer, and a later one is taken.
type inquiry struct {
	wanted map[string]bool      // Mesos agents
	asked  map[string]time.Time // when, by Mesos agent
	next   time.Time
}

func newInquiry() inquiry {
	return inquiry{wanted: map[string]bool{}, asked: map[string]time.Time{}}
}

// may the store lack what ran before? Of a first epoch it was there from the beginning: each restoration, recovery and adoption begins another.
func (b *brain) mayLackTasks() bool { return b.state.Cluster.Epoch > 1 }

// inquired says whether Mesos told what runs on an agent of which no task is known; if not, it is asked.
func (b *brain) inquired(agentID string) bool {
	if _, can := b.Mesos.(Reconciler); !can || !b.mayLackTasks() {
		return true
	}
	at, asked := b.inquiry.asked[agentID]
	if !asked {
		b.inquiry.wanted[agentID] = true
	}
	return asked && b.state.Now.Sub(at) >= inquiryAnswer
}

// inquire says which Mesos agents are the reason to ask now.
func (b *brain) inquire() (agents []string) {
	if len(b.inquiry.wanted) == 0 || b.state.Now.Before(b.inquiry.next) {
		return nil
	}
	for id := range b.inquiry.wanted {
		agents = append(agents, id)
		b.inquiry.asked[id] = b.state.Now
	}
	clear(b.inquiry.wanted)
	b.inquiry.next = b.state.Now.Add(inquiryEvery)
	return agents
}

// ask Mesos what runs. The answers come as updates.
func (b *brain) ask(ctx context.Context, agents []string) {
	reconciler, can := b.Mesos.(Reconciler)
	if !can || len(agents) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := reconciler.Reconcile(ctx); err != nil {
		b.log.Warn("asking Mesos what runs failed; nothing is launched where no task is known", "err", err)
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, id := range agents {
			delete(b.inquiry.asked, id)
		}
	}
}

// nobodys: which node it placed isn't known. It gets a token that nobody has: its node comes with its certificate while that lasts, or the task is ended and the next one brings
// a token.
func (p *placement) nobodys(now time.Time) {
	_, p.Ticket.Digest = trust.NewToken()
	p.Ticket.Expires = now.Add(trust.TokenLife)
}

// doubtTasks: in the place of a task that ended before the state was written another may run since.
func (b *brain) doubtTasks() {
	for id, p := range b.agents {
		if p.State.Ended() && p.Reason != reasonAsked {
			p.Reason = reasonAsked
			b.touched[kindAgent+id] = true
		}
	}
}

// discover a task that runs where none is known.
func (b *brain) discover(u TaskUpdate) *placement {
	before := b.agents[u.AgentID]
	switch {
	case !b.mayLackTasks() || u.AgentID == "" || u.State.Ended() || before != nil && !before.State.Ended():
		return nil
	case u.Reason != reasonAsked && u.Reason != reasonReturned: // not of now
		return nil
	}
	p := &placement{AgentID: u.AgentID, TaskID: u.TaskID, Launched: b.state.Now.UTC()}
	if before != nil {
		p.Hostname, p.IP, p.Domain, p.Pin, p.TooSmall, p.Failures, p.Node = before.Hostname, before.IP, before.Domain, before.Pin, before.TooSmall, before.Failures, before.Node
	}
	if n := b.owners[u.AgentID]; n != nil {
		p.of(n)
	} else {
		p.nobodys(b.state.Now)
	}
	b.log.Info("found a task of ours that wasn't known", "task", u.TaskID, "agent_id", u.AgentID, "state", u.State)
	delete(b.inquiry.asked, u.AgentID)
	b.keep(p)
	return p
}

package scheduler

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/trust"
)

// Filters and back-off of placing.
const (
	settledFilter = 80 * time.Minute // an agent that has its task: at most one offer an hour
	refusedFilter = 10 * time.Minute // too small or not matching: it may be changed
	heldFilter    = 20 * time.Second
	firstRelaunch = 2 * time.Second
	lastRelaunch  = 5 * time.Minute
	calmAfter     = 10 * time.Minute // a task that ran so long begins its back-off anew
)

// PinAttribute of a Mesos agent says which role its node is for.
const PinAttribute = "scaleio-role"

// placement is the stored record of one Mesos agent that carries our task. It is stored before the launch is sent.
type placement struct {
	AgentID   string       `json:"agentId"`
	Hostname  string       `json:"hostname"`
	IP        string       `json:"ip,omitempty"`
	Domain    string       `json:"domain,omitempty"`
	Pin       string       `json:"pin,omitempty"`
	TooSmall  bool         `json:"tooSmall,omitempty"` // reserves what data needs, not what an MDM does
	TaskID    string       `json:"taskId"`
	State     TaskState    `json:"state"`
	Reason    string       `json:"reason,omitempty"`
	Message   string       `json:"message,omitempty"`
	Healthy   *bool        `json:"healthy,omitempty"`
	CheckExit *int         `json:"checkExit,omitempty"`
	Launched  time.Time    `json:"launched"`
	Failures  int          `json:"failures,omitempty"`
	NotBefore time.Time    `json:"notBefore,omitzero"`
	Ticket    trust.Ticket `json:"ticket"`
	Node      string       `json:"node,omitempty"` // that joined by this Mesos agent's tasks
}

// of a node that is known: what the Mesos agent's offers said of it.
func (p *placement) of(n *decide.Node) {
	p.Hostname, p.Domain, p.Pin, p.TooSmall, p.Node = n.Hostname, n.Domain, n.Pin, n.TooSmall, n.ID
	if n.Report != nil && len(n.Report.Addresses) > 0 {
		p.IP = n.Report.Addresses[0]
	}
}

func (p *placement) describe() string {
	text := fmt.Sprintf("task %s is %s", p.TaskID, p.State)
	if p.Reason != "" || p.Message != "" {
		text += fmt.Sprintf(" (%s %s)", p.Reason, p.Message)
	}
	if p.Failures > 0 && p.State.Ended() {
		text += fmt.Sprintf("; failed %d times, next try after %s", p.Failures, p.NotBefore.UTC().Format(time.TimeOnly))
	}
	return text
}

var _ MesosHandler = (*brain)(nil)

// Subscribed stores the framework's id before anything is done with it.
func (b *brain) Subscribed(ctx context.Context, id, master string) error {
	return b.do(ctx, func() error {
		if b.framework.ID != "" && b.framework.ID != id {
			return fmt.Errorf("the master knows us as framework %s, the store as %s", id, b.framework.ID)
		}
		b.framework.ID, b.master, b.connection = id, master, nil
		b.inquiry = newInquiry() // of another master, perhaps
		b.touched[keyFramework] = true
		return nil
	})
}

// Disconnected until the next Subscribed.
func (b *brain) Disconnected(err error) {
	if err == nil {
		err = errDisconnected
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.master, b.connection = "", err
}

// Offered answers offers in one turn, so that their intents share one commit.
func (b *brain) Offered(ctx context.Context, offers []Offer) []OfferAnswer {
	answers := make([]OfferAnswer, len(offers))
	err := b.do(ctx, func() error {
		for i, o := range offers {
			answers[i] = b.offered(o)
		}
		return nil
	})
	if err != nil { // stopping: nothing is launched, and nothing is kept from whoever comes next
		return make([]OfferAnswer, len(offers))
	}
	b.metrics.offered(answers)
	return answers
}

func (b *brain) offered(o Offer) OfferAnswer {
	refuse := func(d time.Duration) OfferAnswer { return OfferAnswer{Refuse: jittered(d)} }
	if b.recovery != nil {
		return refuse(heldFilter)
	}
	p := b.agents[o.AgentID]
	switch {
	case o.HasOurTask || p != nil && !p.State.Ended():
		return refuse(settledFilter)
	case p != nil && b.state.Now.Before(p.NotBefore):
		return refuse(p.NotBefore.Sub(b.state.Now) + time.Second)
	case b.state.Held(nil) != nil:
		return refuse(heldFilter)
	case !b.matches(o), b.removedThere(o) != nil:
		return refuse(refusedFilter)
	case (p == nil || p.Reason == reasonAsked) && !b.inquired(o.AgentID):
		return refuse(heldFilter)
	}
	need, tooSmall, why := b.reserve(o, p)
	if why != "" {
		if b.tooSmall[o.AgentID] == "" {
			b.event(nil, "TooSmall", "%s", why)
		}
		b.tooSmall[o.AgentID] = why
		return refuse(refusedFilter)
	}
	delete(b.tooSmall, o.AgentID)
	token, digest := trust.NewToken()
	next := &placement{
		AgentID: o.AgentID, Hostname: o.Hostname, IP: o.IP, Domain: o.Attributes[b.Settings.DomainAttribute], Pin: o.Attributes[PinAttribute],
		TooSmall: tooSmall, TaskID: "scaleio-agent-" + uuid.NewString(), State: TaskStaging, Launched: b.state.Now,
		Ticket: trust.Ticket{Digest: digest, Expires: b.state.Now.Add(trust.TokenLife)},
	}
	if p != nil {
		next.Failures, next.Node = p.Failures, p.Node
	}
	b.keep(next)
	b.touched[kindAgent+o.AgentID] = true
	delete(b.inquiry.asked, o.AgentID)
	b.log.Info("launching", "task", next.TaskID, "agent_id", o.AgentID, "host", o.Hostname, "attempt", next.Failures+1)
	return OfferAnswer{Launch: b.launch(next, need, token)}
}

// keep a placement, and forget the token of the one before it.
func (b *brain) keep(p *placement) {
	if old := b.agents[p.AgentID]; old != nil {
		delete(b.tickets, old.Ticket.Digest)
	}
	b.agents[p.AgentID] = p
	b.tickets[p.Ticket.Digest] = p.AgentID
	b.expect(p)
}

func (b *brain) matches(o Offer) bool {
	for name, pattern := range b.AgentsMatch {
		value, ok := o.Attributes[name]
		if fits, err := path.Match(pattern, value); !ok || err != nil || !fits {
			return false
		}
	}
	return true
}

// reserve says what the task takes. Resources of a task can't grow, and roles go to nodes that have reported, so a node that is large enough
// for an MDM reserves that much until the MDMs are chosen.
func (b *brain) reserve(o Offer, p *placement) (need Resources, tooSmall bool, why string) {
	fits := func(r Resources) bool { return o.CPUs >= r.CPUs && o.MemMB >= r.MemMB }
	pin := api.Role(o.Attributes[PinAttribute])
	mdm := pin.MDM() || pin != api.RoleData && len(b.state.Cluster.MDMs) == 0 || p != nil && b.carriesMDM(p.AgentID)
	switch {
	case mdm && fits(b.ReserveMDM):
		return b.ReserveMDM, false, ""
	case pin.MDM():
		return need, true, small(o, b.ReserveMDM, string(pin))
	case fits(b.ReserveData):
		return b.ReserveData, true, ""
	}
	return need, true, small(o, b.ReserveData, string(api.RoleData))
}

func small(o Offer, need Resources, role string) string {
	return fmt.Sprintf("%s offers %g cpus and %g MB; a %s node needs %g cpus and %g MB", o.Hostname, o.CPUs, o.MemMB, role, need.CPUs, need.MemMB)
}

func (b *brain) carriesMDM(agentID string) bool {
	return slices.ContainsFunc(b.state.Cluster.MDMs, func(m api.MDM) bool {
		n := b.state.Nodes[m.Node]
		return n != nil && n.AgentID == agentID
	})
}

// launch describes the task: it checks the agent's digest before it runs it, and only places it; the daemon lives outside of the container.
func (b *brain) launch(p *placement, need Resources, token string) *Launch {
	agent := decide.LaunchAgent(&b.state)
	return &Launch{
		TaskID: p.TaskID, Name: "scaleio-agent", AgentID: p.AgentID, CPUs: need.CPUs, MemMB: need.MemMB,
		Command: fmt.Sprintf(`echo "%s  scaleio-agent" | sha256sum -c - && exec ./scaleio-agent place`, agent.SHA256),
		URIs:    []URI{{Value: agent.URL, OutputFile: "scaleio-agent", Executable: true}},
		Env: map[string]string{
			api.EnvServers: strings.Join(b.Servers, ","), api.EnvCluster: b.state.Cluster.ID, api.EnvCA: b.authority().PEM(),
			api.EnvToken: token, api.EnvSHA256: agent.SHA256,
		},
		Health: HTTPHealth{
			Port: api.NodePort, Path: "/healthz", Delay: 5 * time.Second, Interval: 30 * time.Second, Timeout: 20 * time.Second,
			Grace: 15 * time.Minute, Failures: 20,
		},
		Check:  CommandCheck{Command: "./scaleio-agent status --ready", Interval: 30 * time.Second, Timeout: 20 * time.Second},
		Labels: map[string]string{"cluster": b.state.Cluster.ID, "node-port": strconv.Itoa(api.NodePort)},
	}
}

// Updated stores updates in one turn: ten thousand tasks that begin to run are a few dozen commits.
func (b *brain) Updated(ctx context.Context, all ...TaskUpdate) error {
	return b.do(ctx, func() error {
		for _, u := range all {
			b.updated(u)
		}
		return nil
	})
}

// updated: only the present task of an agent counts, an older one may be reported for long.
func (b *brain) updated(u TaskUpdate) {
	if b.recovery != nil {
		b.ran(u)
		return
	}
	i := b.byTask(u)
	if i == nil {
		i = b.discover(u)
	}
	if i == nil {
		b.log.Debug("update of a task that isn't ours any more", "task", u.TaskID, "state", u.State, "reason", u.Reason)
		return
	}
	b.metrics.update(u.State)
	before := i.State
	i.State, i.Reason, i.Message = u.State, u.Reason, cutText(u.Message)
	if u.Healthy != nil {
		i.Healthy = u.Healthy
	}
	if u.CheckExit != nil {
		i.CheckExit = u.CheckExit
	}
	b.touched[kindAgent+i.AgentID] = true
	if u.State.Ended() && !before.Ended() {
		b.backOff(i)
	}
	b.reunite(i)
	b.expect(i)
}

// backOff before the next launch. That the task ended says nothing about the node: its daemon goes on, and the next task adopts it.
func (b *brain) backOff(p *placement) {
	if b.state.Now.Sub(p.Launched) > calmAfter {
		p.Failures = 0
	}
	wait := min(firstRelaunch<<min(p.Failures, 10), lastRelaunch)
	p.Failures++
	p.NotBefore = b.state.Now.Add(wait) // not in UTC: that would leave the wall clock alone, which may be set meanwhile
	b.revive = sooner(b.revive, p.NotBefore)
	b.event(b.owners[p.AgentID], "TaskEnded", "%s on %s: %s %s %s; again in %s", p.TaskID, p.Hostname, p.State, p.Reason, p.Message, wait)
}

// resume the waits of a placement that was stored. Somebody may have set the wall clock since, or may yet: each takes no longer than any such wait, and goes on, or is over, by
// the monotonic clock.
func (p *placement) resume(now time.Time) {
	p.NotBefore, p.Ticket.Expires = within(now, p.NotBefore, lastRelaunch), within(now, p.Ticket.Expires, trust.TokenLife)
	p.Launched = past(now, p.Launched)
}

func within(now, stored time.Time, most time.Duration) time.Time {
	if stored.IsZero() {
		return stored
	}
	return now.Add(min(stored.Sub(now), most))
}

// reviveOffers has Mesos forget our filters: without it an agent that we declined for an hour wouldn't be offered when its task ends.
func (b *brain) reviveOffers(ctx context.Context) {
	reviver, ok := b.Mesos.(Reviver)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := reviver.Revive(ctx); err != nil {
		b.log.Warn("asking for offers failed", "err", err)
	}
}

func (b *brain) byTask(u TaskUpdate) *placement {
	if p := b.agents[u.AgentID]; p != nil && p.TaskID == u.TaskID {
		return p
	}
	if u.AgentID == "" { // some answers to a reconciliation name no agent
		for _, p := range b.agents {
			if p.TaskID == u.TaskID {
				return p
			}
		}
	}
	return nil
}

// AgentLost only tells people: whether a node is dead is decided by its storage.
func (b *brain) AgentLost(ctx context.Context, agentID string) {
	err := b.do(ctx, func() error {
		if p := b.agents[agentID]; p != nil {
			b.event(nil, "MesosAgentLost", "%s (%s)", p.Hostname, agentID)
		}
		return nil
	})
	if err != nil {
		b.log.Warn("not noted that a Mesos agent was lost", "agent_id", agentID, "err", err)
	}
}

// Tasks that have not ended as far as we know.
func (b *brain) Tasks() []TaskRef {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var all []TaskRef
	for _, p := range b.agents {
		if !p.State.Ended() {
			all = append(all, TaskRef{p.TaskID, p.AgentID})
		}
	}
	return all
}

// expect keeps the list of nodes whose task is on its way.
func (b *brain) expect(p *placement) {
	if b.owners[p.AgentID] != nil || p.State.Ended() {
		delete(b.state.Expected, p.AgentID)
		return
	}
	b.state.Expected[p.AgentID] = decide.Expected{Hostname: p.Hostname, Domain: p.Domain, Pin: p.Pin}
}

// own notes which node a Mesos agent's task placed.
func (b *brain) own(n *decide.Node, agentID string) {
	if b.owners[n.AgentID] == n {
		delete(b.owners, n.AgentID)
	}
	if n.AgentID = agentID; agentID == "" { // it joined by an enrolment token
		return
	}
	b.owners[agentID] = n
	if p := b.agents[agentID]; p != nil {
		b.expect(p)
	}
}

// reunite a task with the node whose daemon it adopted. A Mesos agent that lost its own id comes back with a new one, and the daemon that is
// there doesn't join again; so a node of that host whose former task ended is taken to be the one. Only where its task is shown rests on it.
func (b *brain) reunite(p *placement) {
	if b.owners[p.AgentID] != nil || p.State != TaskRunning {
		return
	}
	for _, n := range b.state.Nodes {
		former := b.agents[n.AgentID]
		if (n.Hostname == p.Hostname || n.Report != nil && slices.Contains(n.Report.Addresses, p.IP)) && (former == nil || former.State.Ended()) {
			delete(b.agents, n.AgentID)
			b.touched[kindAgent+n.AgentID] = true
			b.settle(n, p)
			b.touchNode(n)
			return
		}
	}
}

// sooner of two times; a zero one is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

func cutText(s string) string {
	if len(s) > maxMessage {
		return s[:maxMessage]
	}
	return s
}

package scheduler

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/explain"
)

// An AgentLister is a Mesos that can be asked which agents it knows, and what they have left.
type AgentLister interface {
	Agents(ctx context.Context) ([]KnownAgent, error)
}

// KnownAgent is a Mesos agent as the master sees it.
type KnownAgent struct {
	ID         string
	Hostname   string
	IP         string
	Active     bool
	Draining   bool
	Attributes map[string]string
	FreeCPUs   float64 // not reserved, not in use
	FreeMemMB  float64
	Reserved   bool // something of it is reserved for a role
}

// agentsLimit bounds a person's question to Mesos.
const agentsLimit = 5 * time.Second

// Explain a node in words: one that joined, one that is on its way, or one of which no offer was ever taken.
func (b *brain) Explain(ctx context.Context, name string) (api.Explanation, error) {
	if name == "" || len(name) > maxHostname {
		return api.Explanation{}, api.Errorf(api.CodeInvalid, "which node? Give its name, host name, address, identity or Mesos agent id")
	}
	status := b.Status()
	for _, n := range status.Nodes {
		if slices.Contains([]string{n.Name, n.Node, n.Hostname, n.Address, strings.TrimPrefix(n.Node, "mesos-agent ")}, name) {
			e := explain.Node(n, status.Waiting)
			if g := status.Growth; g != nil && g.WaitsFor == n.Name {
				e.Also = append(e.Also, "growth waits for it: "+g.Waiting)
			}
			return e, nil
		}
	}
	return b.unseen(ctx, name), nil
}

// unseen: no offer seen because ...
func (b *brain) unseen(ctx context.Context, name string) api.Explanation {
	e := api.Explanation{Name: name, State: "not a node of this cluster: no offer of it was taken, and no agent on it has joined", Waits: "you"}
	because := func(do, format string, a ...any) api.Explanation {
		e.InTheWay = "no offer seen because " + fmt.Sprintf(format, a...)
		if do != "" {
			e.Do = append(e.Do, do)
		}
		return e
	}
	b.mu.RLock()
	connection := b.connection
	b.mu.RUnlock()
	if connection != nil {
		return because("see that the masters in `mesos-masters` are right and up", "the scheduler isn't connected to Mesos: %v", connection)
	}
	lister, ok := b.Mesos.(AgentLister)
	if !ok {
		return because("", "Mesos can't be asked which agents it has")
	}
	ctx, cancel := context.WithTimeout(ctx, agentsLimit)
	defer cancel()
	agents, err := lister.Agents(ctx)
	if err != nil {
		return because("try again; see the master's log", "Mesos can't be asked which agents it has: %v", err)
	}
	i := slices.IndexFunc(agents, func(a KnownAgent) bool { return slices.Contains([]string{a.Hostname, a.IP, a.ID}, name) })
	if i < 0 {
		return because(fmt.Sprintf("start mesos-agent on %s with these masters, or have its scaleio-agent join by a token: `scaleio-scheduler tokens create --agent-yaml`", name),
			"the leading Mesos master knows no agent with this host name, address or id (it knows %d)", len(agents))
	}
	return b.unoffered(agents[i], because)
}

func (b *brain) unoffered(a KnownAgent, because func(do, format string, a ...any) api.Explanation) api.Explanation {
	b.mu.RLock()
	defer b.mu.RUnlock()
	offer := Offer{AgentID: a.ID, Hostname: a.Hostname, IP: a.IP, Attributes: a.Attributes, CPUs: a.FreeCPUs, MemMB: a.FreeMemMB}
	_, _, small := b.reserve(offer, nil)
	switch held := b.state.Held(nil); {
	case !a.Active:
		return because("see that mesos-agent runs there and reaches the master", "its Mesos agent isn't connected to the master")
	case a.Draining:
		return because("reactivate it in Mesos when its maintenance is over", "its Mesos agent is being drained, or was deactivated: the master offers nothing of it")
	case !b.matches(offer):
		return because("change the agent's attributes, or `agents-match`", "its attributes (%s) don't match `agents-match` (%s)", pairs(a.Attributes), pairs(b.AgentsMatch))
	case b.removedThere(offer) != nil:
		return because("`scaleio-scheduler nodes readmit "+b.removedThere(offer).Name+"`", "a node on it was removed by a person, and hasn't been readmitted")
	case held != nil:
		return because("`scaleio-scheduler release`", "the cluster is held by %s: offers are declined meanwhile", held.Author)
	case small != "":
		why := ""
		if a.Reserved {
			why = "; a part of it is reserved for a role"
		}
		return because("free resources there, reserve less for others, or lower `reserve-data`", "what it has left is too small: %s%s", small, why)
	}
	return because("wait a minute; then see the master's log, and quota and weight of our role", "the master hasn't offered it yet though %g cpus and %g MB are free: other frameworks hold offers of it, or our role has no share left",
		a.FreeCPUs, a.FreeMemMB)
}

func pairs(all map[string]string) string {
	if len(all) == 0 {
		return "none"
	}
	var text []string
	for name, value := range all {
		text = append(text, name+"="+value)
	}
	slices.Sort(text)
	return strings.Join(text, ", ")
}

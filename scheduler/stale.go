package scheduler

import (
	"context"
	"time"

	"scaleio-framework/scheduler/api"
)

// Pace of ending tasks whose token is dead.
const (
	staleLook  = 15 * time.Second
	staleAgain = time.Minute
	staleBatch = 8
)

// stale are running tasks that can't bring their node in any more: the token is dead, and nobody joined with it. Only the next task brings
// another one; the daemon, if there is one, isn't touched by the end of this one.
func (b *brain) stale() []TaskRef {
	now := b.state.Now
	if now.Before(b.lookTokens) || b.connection != nil {
		return nil
	}
	b.lookTokens = now.Add(staleLook)
	for task, at := range b.asked {
		if now.Sub(at) > staleAgain {
			delete(b.asked, task)
		}
	}
	var all []TaskRef
	consider := func(p *placement) {
		dead := p.Ticket.Revoked || now.After(p.Ticket.Expires)
		if _, asked := b.asked[p.TaskID]; dead && !asked && p.State == TaskRunning && len(all) < staleBatch {
			b.asked[p.TaskID] = now
			b.log.Info("ending a task whose join token is dead; the next one brings another", "task", p.TaskID, "agent_id", p.AgentID, "host", p.Hostname)
			all = append(all, TaskRef{p.TaskID, p.AgentID})
		}
	}
	for id := range b.state.Expected {
		if p := b.agents[id]; p != nil {
			consider(p)
		}
	}
	for _, n := range b.state.Nodes { // removed: its task only mirrors a daemon that is nobody's any more
		p := b.agents[n.AgentID]
		if n.RemovalOf() != api.RemovalDone || p == nil || p.State.Ended() || len(all) >= staleBatch {
			continue
		}
		if _, asked := b.asked[p.TaskID]; !asked {
			b.asked[p.TaskID] = now
			b.log.Info("ending the task of a removed node", "task", p.TaskID, "node", n.Name)
			all = append(all, TaskRef{p.TaskID, p.AgentID})
		}
	}
	for _, n := range b.state.Nodes { // a person released its identity
		if p := b.agents[n.AgentID]; n.Key == "" && p != nil {
			consider(p)
		}
	}
	return all
}

func (b *brain) restart(ctx context.Context, tasks []TaskRef) {
	if len(tasks) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, t := range tasks {
		if err := b.Mesos.Kill(ctx, t.TaskID, t.AgentID); err != nil {
			b.log.Warn("asking for the end of a task failed", "task", t.TaskID, "err", err)
		}
	}
}

package mdm

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"scaleio-framework/test/scaleio/mgmt"
)

// beats keeps the members following, brings replicas back and gives up office when the majority is gone.
func (o *office) beats(ctx context.Context, group *errgroup.Group) error {
	ticker := time.NewTicker(o.node.opt.Heartbeat)
	defer ticker.Stop()
	for {
		o.startMemberLoops(ctx, group)
		if !o.hasLease() {
			o.resign("majority lost")
			return context.Cause(o.ctx)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

func (o *office) startMemberLoops(ctx context.Context, group *errgroup.Group) {
	config := o.node.config()
	self := o.node.self()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range config.Members {
		if m.ID != self && !o.inUse[m.ID] {
			o.inUse[m.ID] = true
			group.Go(func() error { o.memberLoop(ctx, m.ID); return nil })
		}
	}
}

// memberLoop beats one member as long as it belongs to the cluster.
func (o *office) memberLoop(ctx context.Context, id string) {
	defer func() {
		o.mu.Lock()
		delete(o.inUse, id)
		o.mu.Unlock()
	}()
	ticker := time.NewTicker(o.node.opt.Heartbeat)
	defer ticker.Stop()
	for {
		m, ok := o.node.config().member(id)
		if !ok {
			return
		}
		err := o.beat(ctx, m, nil)
		if err != nil {
			o.node.log.Debug("beat failed", "mdm", id, "err", err)
		}
		if err == nil && m.Voter && m.Manager && !o.inSync(id) {
			if err := o.resync(id); err != nil {
				o.node.log.Warn("bringing a replica back failed", "mdm", id, "err", err)
			}
		}
		if err != nil && o.silence(id) > 2*o.node.opt.Lease && o.inSync(id) {
			o.dropReplica(id)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// resync copies the whole document while nothing is written, then records the replica as one to rely on.
func (o *office) resync(id string) error {
	o.writing.Lock()
	defer o.writing.Unlock()
	raw, err := o.node.repo.loadState()
	if err != nil {
		return err
	}
	o.node.mu.Lock()
	voter := *o.node.voter
	o.node.mu.Unlock()
	if err := o.put(o.ctx, voter, id, raw); err != nil {
		return err
	}
	if err := o.changeReplicas(func(inSync []string) []string { return append(inSync, id) }); err != nil {
		o.resign("replicas couldn't be recorded")
		return err
	}
	o.node.log.Info("replica in sync", "mdm", id)
	return nil
}

// dropReplica spares the next change the wait for a member that has been silent for long.
func (o *office) dropReplica(id string) {
	o.writing.Lock()
	defer o.writing.Unlock()
	err := o.changeReplicas(func(inSync []string) []string {
		return slices.DeleteFunc(inSync, func(other string) bool { return other == id })
	})
	if err != nil {
		o.resign("replicas couldn't be recorded")
	}
}

func (o *office) silence(id string) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	return time.Since(o.heard[id])
}

func (o *office) certificate(id string) *mgmt.Certificate {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.shown[id]
}

// missing at once where nobody listens, after a lease where nobody answers.
func (o *office) missing(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refused[id] || time.Since(o.heard[id]) > o.node.opt.Lease
}

func (o *office) inSync(id string) bool {
	o.node.mu.Lock()
	defer o.node.mu.Unlock()
	return contains(o.node.voter.Replicas.InSync, id)
}

// hasLease counts from when beats were sent, and ends before the members' own patience does.
func (o *office) hasLease() bool {
	config, self := o.node.config(), o.node.self()
	agreed := []string{self}
	for _, id := range config.voters() {
		if id != self && o.silence(id) < o.node.opt.Lease*3/4 {
			agreed = append(agreed, id)
		}
	}
	return hasMajority(config, agreed)
}

func (n *Node) config() Config {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.voter == nil {
		return Config{}
	}
	return n.voter.Config
}

func (n *Node) self() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.voter == nil {
		return ""
	}
	return n.voter.Self
}

// cluster is the master's picture for query_cluster.
func (o *office) cluster() mgmt.Cluster {
	config, self := o.node.config(), o.node.self()
	c := mgmt.Cluster{SystemID: config.SystemID, SystemName: config.SystemName, Nodes: config.Nodes, VirtualIPs: config.VirtualIPs}
	for _, m := range config.Members {
		m.Kind, m.Status, m.Certificate = mgmt.Standby, "Normal", o.certificate(m.ID)
		switch {
		case m.ID == self:
			m.Kind = mgmt.Master
		case m.Voter && m.Manager:
			m.Kind = mgmt.Slave
		case m.Voter:
			m.Kind = mgmt.TieBreaker
		}
		if m.ID != self && o.missing(m.ID) {
			m.Status = "Disconnected"
		} else if m.Kind == mgmt.Slave && !o.inSync(m.ID) {
			m.Status = "Not synchronized"
		}
		if m.Voter && m.Manager {
			c.WantedReplicas++
		}
		if m.Voter && m.Status != "Disconnected" {
			c.Active++
			if m.Manager && m.Status == "Normal" {
				c.Replicas++
			}
		}
		c.Degraded = c.Degraded || m.Voter && m.Status != "Normal"
		c.Members = append(c.Members, m)
	}
	return c
}

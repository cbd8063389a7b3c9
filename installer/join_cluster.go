package installer

import (
	"context"
	"slices"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
)

// clusterJoined is the fact that the local MDM is a voting member of our system and of no other. The leader adds it; the act here is only to clear the
// intent of the formation, once the scheduler has stored what came of it.
type clusterJoined struct {
	*orders
}

func joinCluster(o *orders) step.Step { return clusterJoined{o} }

func (clusterJoined) Name() string { return "join-cluster" }

func (s clusterJoined) Check(ctx context.Context) (step.Finding, error) {
	c, err := s.opts.CLI.QueryCluster(ctx, "")
	if raw, is := scaleio.UnknownDialect(err); is {
		return step.Block("UnknownDialect", "the MDM answers in words that this program doesn't know, nothing is changed: %.200q", raw), nil
	}
	if scaleio.KindOf(err) == scaleio.KindNoCluster {
		if s.Spec.SystemID == "" {
			return step.Wait("WaitingForCluster", "the cluster isn't formed yet"), nil
		}
		return step.Wait("WaitingForLeader", "the MDM here is in no cluster yet: the leader adds it to system %s", s.Spec.SystemID), nil
	} else if err != nil {
		return step.Finding{}, err
	}
	if s.Spec.SystemID == "" {
		return step.Wait("WaitingForScheduler", "the MDM here is in a cluster; the scheduler has yet to store its id"), nil
	}
	if foreign := s.foreign(ctx, c); foreign != nil {
		return *foreign, nil
	}
	me, _ := s.self()
	member, ok := c.At(me.IPs...)
	switch {
	case !ok:
		return step.Wait("WaitingForLeader", "the cluster that the MDM here belongs to doesn't list %v", me.IPs), nil
	case member.Place == scaleio.PlaceStandby:
		return step.Wait("WaitingForLeader", "the MDM here is a standby: the leader switches the cluster's mode"), nil
	case member.Status != "" && member.Status != "Normal":
		return step.Wait("NotNormal", "the cluster shows the MDM here as %s: %s", member.Place, member.Status), nil
	}
	left, err := s.intents.all(intentFormCluster)
	if err != nil {
		return step.Finding{}, err
	}
	if len(left) > 0 {
		return step.Need("IntentDone", "system %s is formed and stored; the record of its formation can go", s.Spec.SystemID), nil
	}
	return step.OK("%s of system %s", member.Place, s.Spec.SystemID), nil
}

// foreign says what tells that the cluster isn't ours. The MDM doesn't show its system's id without a login, the SDC beside it does.
func (s clusterJoined) foreign(ctx context.Context, c scaleio.Cluster) *step.Finding {
	if id := s.systemID(ctx, c); id != "" && id != s.Spec.SystemID {
		f := step.Block("ForeignCluster", "the MDM here belongs to system %s, this cluster is %s: nothing is changed; remove the MDM package with its configuration or adopt that system", id, s.Spec.SystemID)
		return &f
	}
	master, ok := c.Master()
	if !ok {
		return nil
	}
	for _, m := range s.Spec.MDMs {
		if slices.ContainsFunc(m.IPs, func(ip string) bool { return slices.Contains(master.IPs, ip) }) {
			return nil
		}
	}
	f := step.Block("ForeignCluster", "the master of the MDM here is %s %v, which is none of the chosen MDMs: nothing is changed", master.Name, master.IPs)
	return &f
}

func (s clusterJoined) Apply(context.Context) error {
	left, err := s.intents.all(intentFormCluster)
	if err != nil {
		return err
	}
	for _, i := range left {
		if err := s.intents.clear(i.Kind, i.Subject); err != nil {
			return err
		}
	}
	return nil
}

// systemID of the cluster that the local MDM is in, as the SDC of this node knows it by its members' addresses; "" while it doesn't.
func (i *Installer) systemID(ctx context.Context, c scaleio.Cluster) string {
	drv := drvCfg(i.sys.Files, i.sys.Commands)
	if !exists(i.sys.Files, drv.Path) {
		return ""
	}
	known, err := drv.MDMs(ctx)
	if err != nil {
		return ""
	}
	for _, k := range known {
		if _, ok := c.At(k.IPs...); ok && k.Connected() {
			return k.SystemID
		}
	}
	return ""
}

package installer

import (
	"context"
	"fmt"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/installer/step"
)

// clusterFormed is the fact that the ScaleIO system exists, created here. Only the node that holds the grant has this step.
type clusterFormed struct {
	*orders
}

// forms tells whether this node is the one that forms the cluster.
func (o *orders) forms() bool {
	return o.Spec.Formation != nil && o.Spec.Formation.Node == o.Spec.Node
}

func formCluster(o *orders) step.Step { return clusterFormed{o} }

func (clusterFormed) Name() string { return intentFormCluster }

func (s clusterFormed) Check(ctx context.Context) (step.Finding, error) {
	_, err := s.opts.CLI.QueryCluster(ctx, "")
	if raw, is := scaleio.UnknownDialect(err); is {
		return step.Block("UnknownDialect", "the MDM answers in words that this program doesn't know, nothing is changed: %.200q", raw), nil
	}
	left, errIntent := s.intents.all(intentFormCluster)
	if errIntent != nil {
		return step.Finding{}, errIntent
	}
	nonce := s.Spec.Formation.Nonce
	for _, i := range left {
		if i.Subject != nonce && scaleio.KindOf(err) == scaleio.KindNoCluster {
			return step.Block("LeftOverIntent", "forming a cluster was begun here at %s for another grant (%s) and there is no cluster: make sure that no other node has one, then remove %s",
				i.Since.Format("2006-01-02 15:04:05Z"), i.Subject, intentFile(i.Kind, i.Subject)), nil
		}
	}
	switch kind := scaleio.KindOf(err); {
	case err == nil && (s.Spec.SystemID != "" || len(left) > 0):
		return step.OK("the MDM here is in a cluster"), nil // whether it is ours is join-cluster's to say
	case err == nil:
		return step.Block("ForeignCluster", "the MDM here is in a cluster that wasn't formed for this one: adopt it, or remove the MDM package with its configuration"), nil
	case kind != scaleio.KindNoCluster:
		return step.Finding{}, err
	case s.Spec.SystemID != "":
		return step.Block("ClusterLost", "system %s was formed and the MDM here says that it is in no cluster: it is never formed twice; restore the MDM or move the grant", s.Spec.SystemID), nil
	case !s.Spec.Licence:
		return step.Block("LicenceNotAccepted", "forming the cluster accepts the product's licence: set acceptLicense: true if you do"), nil
	}
	return step.Need("NoCluster", "there is no cluster and this node is to form it; MDM address, protection domain and fault sets are permanent"), nil
}

func (s clusterFormed) Apply(ctx context.Context) error {
	me, ok := s.self()
	if !ok {
		return fmt.Errorf("forming the cluster: node %s is none of the chosen MDMs", s.Spec.Node)
	}
	if err := s.intents.put(intentFormCluster, s.Spec.Formation.Nonce, nil); err != nil {
		return err
	}
	err := s.opts.CLI.CreateCluster(ctx, scaleio.CreateCluster{Name: me.Name, IPs: me.IPs, ManagementIPs: me.IPs[:min(1, len(me.IPs))], AcceptLicence: s.Spec.Licence})
	if kind := scaleio.KindOf(err); err != nil && kind != scaleio.KindExists && kind != scaleio.KindDone {
		return err // also after a lost answer: the next look tells whether it was done
	}
	until(ctx, answerTime, func() bool { _, err := s.opts.CLI.QueryCluster(ctx, ""); return err == nil })
	return nil
}

package leader

import (
	"context"
	"errors"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/scheduler/api"
)

// ErrNotLeading: this node's MDM isn't the master, so its picture is nobody's.
var ErrNotLeading = errors.New("not leading")

// viewTimeout bounds a View.
const viewTimeout = 30 * time.Second

// ConditionUnknownDialect is in a view whose system answered something that isn't recognised; its message is the whole answer.
const ConditionUnknownDialect = "UnknownDialect"

// conditionGateway says why a view holds the MDMs alone.
const conditionGateway = "leader-gateway"

// View is the picture of the system that goes into the report. It holds as much as could be read: without a gateway the MDMs alone.
func (l *Leader) View(ctx context.Context, in Input) (*api.ClusterView, error) {
	ctx, cancel := context.WithTimeout(ctx, viewTimeout)
	defer cancel()
	if in.Received.IsZero() {
		in.Received = time.Now()
	}
	c, err := l.asMaster(ctx, in)
	var s *stop
	if errors.As(err, &s) {
		return nil, errors.Join(ErrNotLeading, err)
	}
	v := &api.ClusterView{SystemID: l.system(in)}
	if err != nil && note(v, err) {
		return v, nil
	}
	if err != nil {
		return nil, err
	}
	showCluster(v, c)
	o, err := l.objectsSeen(ctx, in)
	v.AgeMS = l.age().Milliseconds()
	if err != nil {
		if note(v, err) {
			return v, nil
		}
		v.Conditions = append(v.Conditions, condition(conditionGateway, api.Unknown, api.ReasonFailed, err.Error()))
		return v, nil
	}
	l.showObjects(v, in, o)
	return v, nil
}

// note keeps an answer that isn't recognised.
func note(v *api.ClusterView, err error) bool {
	raw, is := scaleio.UnknownDialect(err)
	if is {
		v.Conditions = append(v.Conditions, condition(ConditionUnknownDialect, api.True, ReasonUnknownDialect, err.Error()+"\n"+raw))
	}
	return is
}

// age of the older of the two samples.
func (l *Leader) age() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	oldest := l.seen.cluster.at
	if at := l.seen.objects.at; !at.IsZero() && at.Before(oldest) {
		oldest = at
	}
	if oldest.IsZero() {
		return 0
	}
	return time.Since(oldest)
}

func showCluster(v *api.ClusterView, c scaleio.Cluster) {
	v.SystemName, v.Mode, v.State = c.Name, c.Mode, c.State
	for _, m := range c.Members {
		v.Members = append(v.Members, api.MDMMember{Name: m.Name, ID: m.ID, Role: string(m.Place), IPs: m.IPs, Status: m.Status})
		if m.Place == scaleio.PlaceMaster {
			v.Master = m.Name
			if m.Name == "" {
				v.Master = m.ID
			}
		}
	}
}

func (l *Leader) showObjects(v *api.ClusterView, in Input, o scaleio.Objects) {
	v.SDCs = o.SDCs
	if in.Spec.Cluster == nil {
		showSDSs(v, o, "")
		return
	}
	want := in.wanted()
	domain, _ := o.Domain(want.ProtectionDomain)
	pool, there := o.Pool(domain.ID, want.StoragePool)
	if there {
		figures := pool.Figures
		v.Pool = &figures
	}
	showSDSs(v, o, pool.ID)
	for _, f := range o.FaultSets {
		if f.DomainID == domain.ID {
			v.FaultSets = append(v.FaultSets, f.Name)
		}
	}
	v.PoolReady = len(diffDomain(want, o))+len(diffPool(want, o))+len(diffFaultSets(want, o)) == 0 && l.wasRight(in.volumeUser())
	for _, acts := range [][]Act{diffSDSs(want, o), diffDevices(want, o), diffLeaving(want, o)} {
		for _, a := range acts {
			l.showAct(v, a)
		}
	}
}

// showAct lists a disk to be claimed, and what stands against an act.
func (l *Leader) showAct(v *api.ClusterView, a Act) {
	if a.Claim != nil && v.PoolReady {
		v.Claims = append(v.Claims, *a.Claim)
	}
	switch err := l.isDeferred(a); {
	case a.Obstacle != "":
		v.Conditions = append(v.Conditions, condition(string(a.Kind)+"/"+a.Subject, api.False, a.Obstacle, a.Why))
	case a.Wait == ReasonLimit:
		v.Conditions = append(v.Conditions, condition(string(a.Kind)+"/"+a.Subject, api.False, a.Wait, a.Why))
	case err != nil:
		v.Conditions = append(v.Conditions, condition(string(a.Kind)+"/"+a.Subject, api.False, api.ReasonFailed, err.Error()))
	}
}

// showSDSs with all their devices; those of another pool than ours are told apart, since they are no capacity of ours.
func showSDSs(v *api.ClusterView, o scaleio.Objects, pool string) {
	for _, s := range o.SDSs {
		v.SDSs = append(v.SDSs, showSDS(s, o, pool))
	}
}

func showSDS(s scaleio.SDSObject, o scaleio.Objects, pool string) api.SDSView {
	v := api.SDSView{ID: s.ID, Name: s.Name, IPs: s.IPs, FaultSet: o.FaultSetName(s.FaultSetID), Connection: s.Connection, Membership: s.Membership,
		InMaint: s.InMaintenance(), Removing: s.Removing()}
	for _, d := range o.DevicesOf(s.ID) {
		v.Devices = append(v.Devices, api.DeviceView{ID: d.ID, Name: d.Name, Path: d.CurrentPath, SizeBytes: d.SizeBytes, State: d.State,
			OtherPool: pool != "" && d.PoolID != "" && d.PoolID != pool})
	}
	return v
}

func condition(kind string, status api.Status, reason, message string) api.Condition {
	return api.Condition{Type: kind, Status: status, Reason: reason, Message: message}
}

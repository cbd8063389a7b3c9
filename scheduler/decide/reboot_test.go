package decide_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// A fleet of three MDMs with an SDS each, n1 master and leader; reboots are wanted by what is set.
type fleet struct {
	*builder
	t  *testing.T
	on map[string]*api.SDSView // by node

	silent string            // id of a node that doesn't report
	unread bool              // nobody can read its notes
	told   map[string]string // what each was answered
}

func boot(id string) change { return func(n *decide.Node) { n.Report.BootID = id } }

func newFleet(t *testing.T) *fleet {
	f := &fleet{pooled().view(healthy).with(2, mdm(slave)).with(3, mdm(slave)).all(ready, boot("before")), t, map[string]*api.SDSView{}, "", false, map[string]string{}}
	f.Settings.RebootWithin = 30 * time.Minute
	for _, id := range []string{"1", "2", "3"} {
		f.View.SDSs = append(f.View.SDSs, api.SDSView{ID: "sds" + id, Name: "n" + id, Connection: "Connected"})
	}
	for i := range f.View.SDSs {
		f.on["id"+f.View.SDSs[i].Name[1:]] = &f.View.SDSs[i]
	}
	return f
}

// turn is one of the scheduler's, some seconds later: all report, a fresh sample comes.
func (f *fleet) turn() {
	f.later(5 * time.Second)
	for id, n := range f.Nodes {
		if id != f.silent {
			n.Shows(&api.Report{Seen: f.told[id], Unread: f.unread})
		}
	}
	for _, id := range []string{"id1", "id2", "id3"} {
		if n := f.Nodes[id]; n.SeenAt.Equal(f.Now) {
			f.Leases, _ = decide.Disruption(&f.State, n)
		}
	}
	f.Leases.Service = decide.Serve(&f.State)
	may := 0
	for _, n := range f.Nodes {
		a := api.Answer{ETag: "no right"} // as often as there is none
		if decide.MayReboot(&f.State, n) {
			a = api.Answer{ETag: "may reboot", Leases: []api.Lease{{Name: api.LeaseReboot}}}
			may++
		}
		n.Told(a)
		f.told[n.ID] = a.ETag
	}
	assert.LessOrEqual(f.t, may, 1, "one at a time")
}

// lead obeys what the leader's spec says of the storage.
func (f *fleet) lead() *api.ClusterSpec {
	f.t.Helper()
	spec := decide.Spec(&f.State, f.Nodes[f.Leases.Leader]).Cluster
	require.NotNil(f.t, spec)
	if to := spec.HandOver; to != "" {
		f.with(1, mdm(slave)).with(2, mdm(slave))
		f.with(int(to[1]-'0'), mdm(master))
		f.Leases.Leader, f.View.From = "id"+to[1:], "id"+to[1:]
	}
	if s := spec.Service; s != nil {
		for i := range f.View.SDSs {
			if f.View.SDSs[i].ID == s.SDS {
				f.View.SDSs[i].InMaint = !s.Leave
			}
		}
	}
	return spec
}

func rebooting(n *decide.Node) {
	n.Report.Wants, n.Report.Intents = []api.LeaseName{api.LeaseReboot}, []api.Intent{{Kind: decide.IntentReboot}}
}

// up is a node that has booted and whose agent has looked; what it noted is gone when its pass is over.
func up(n *decide.Node) {
	n.Report.BootID, n.Report.Wants, n.Report.Intents, n.Report.Ready = "after", nil, []api.Intent{{Kind: decide.IntentReboot}}, false
}

func done(n *decide.Node) { n.Report.Ready, n.Report.Intents = true, nil }

// The whole of one: master handed over, maintenance entered and only then the right; kept while it is away; left when it is back; and the lease stays until
// nothing is being rebuilt.
func TestReboot(t *testing.T) {
	f := newFleet(t)
	f.with(1, wants(api.LeaseReboot)).with(2, wants(api.LeaseReboot))
	n1 := f.Nodes["id1"]
	f.turn()
	require.Equal(t, "id1", f.Leases.Disruption)
	assert.False(t, decide.MayReboot(&f.State, n1), "its MDM is master")
	assert.Nil(t, f.Leases.Service, "the new leader enters it, when it is there")
	assert.Equal(t, "n2", f.lead().HandOver)
	f.turn()
	require.NotNil(t, f.Leases.Service)
	assert.Equal(t, "sds1", f.Leases.Service.SDS)
	assert.False(t, decide.MayReboot(&f.State, n1), "stored, and not there yet")
	assert.Equal(t, &api.SDSService{SDS: "sds1", Name: "n1"}, f.lead().Service)
	f.turn()
	assert.True(t, decide.MayReboot(&f.State, n1))
	assert.True(t, decide.Storage(&f.State, n1).Ours)
	assert.False(t, decide.MayInterrupt(&f.State, n1), "for a reboot, and for nothing else")
	assert.Empty(t, decide.MayUpgrade(&f.State, n1))

	rebooting(n1)
	f.turn()
	assert.Nil(t, f.lead().Service, "on its way down nothing is entered or left")
	f.on["id1"].Connection = "Disconnected"
	for range 40 { // minutes pass; it isn't heard
		f.turn()
		n1.SeenAt = now
		assert.True(t, f.on["id1"].InMaint)
		assert.False(t, f.Leases.Service.Leave)
		require.Equal(t, "id1", f.Leases.Disruption)
		assert.Nil(t, f.lead().Service)
	}
	f.with(1, up)
	f.turn()
	assert.False(t, f.Leases.Service.Leave, "its SDS isn't connected yet")
	f.on["id1"].Connection = "Connected"
	f.turn()
	require.True(t, f.Leases.Service.Leave)
	assert.Equal(t, &api.SDSService{SDS: "sds1", Name: "n1", Leave: true}, f.lead().Service)
	f.with(1, done)
	f.View.Pool.RebuildBytes = 1
	f.turn()
	f.turn()
	assert.Nil(t, f.Leases.Service)
	assert.Equal(t, "id1", f.Leases.Disruption, "what it missed is being copied")
	assert.Contains(t, decide.Interruption(&f.State).State, "rebuilt")
	f.View.Pool.RebuildBytes = 0
	f.turn()
	assert.Empty(t, f.Leases.Disruption)
	f.turn()
	assert.Equal(t, "id2", f.Leases.Disruption, "the next one")
	assert.True(t, f.Leases.Late == false && f.Leases.Since.Equal(f.Now), "with a time of its own")
}

// toMaintenance is a fleet whose n3 is in maintenance for its reboot, and may go down.
func toMaintenance(t *testing.T) (f *fleet, n3 *decide.Node) {
	f = newFleet(t)
	n3 = f.with(3, wants(api.LeaseReboot)).Nodes["id3"]
	f.turn()
	f.lead()
	f.turn()
	require.True(t, decide.MayReboot(&f.State, n3))
	return f, n3
}

// What comes up between the right and the reboot takes the right back, and ends the maintenance; the reboot that was asked for goes on to its end.
func TestReboot_takenBackBeforeItBegins(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fleet)
		kept   bool // the lease
	}{
		"a rebuild begins":    {func(f *fleet) { f.View.Pool.RebuildBytes = 1 }, true},
		"another SDS is lost": {func(f *fleet) { f.on["id1"].Connection = "Disconnected" }, true},
		"an MDM is lost":      {func(f *fleet) { f.View.State = "Degraded" }, true},
		"somebody holds it":   {func(f *fleet) { f.with(3, func(n *decide.Node) { n.Hold = &api.Hold{Author: "me"} }) }, false},
		"the window closes":   {func(f *fleet) { f.Settings.RebootWindow, _ = decide.ParseWindow("Mon 01:00-02:00") }, false},
		"it isn't wanted":     {func(f *fleet) { f.with(3, func(n *decide.Node) { n.Report.Wants = nil }) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			f, n3 := toMaintenance(t)
			c.change(f)
			f.turn()
			assert.False(t, decide.MayReboot(&f.State, n3))
			assert.False(t, f.Leases.Service.Leave, "it may have begun")
			f.turn()
			require.True(t, f.Leases.Service.Leave)
			f.lead()
			for range 3 { // heard, seen, and the right is back
				f.turn()
			}
			assert.Nil(t, f.Leases.Service)
			assert.False(t, f.on["id3"].InMaint)
			assert.Equal(t, c.kept, f.Leases.Disruption == "id3")
		})
	}
	f := newFleet(t)
	n2 := f.with(2, wants(api.LeaseReboot)).Nodes["id2"]
	f.turn()
	f.lead()
	f.turn()
	require.True(t, decide.MayReboot(&f.State, n2))
	mdm(master)(n2)
	assert.False(t, decide.MayReboot(&f.State, n2), "its MDM became master")

	f, n3 := toMaintenance(t)
	rebooting(n3)
	f.Settings.RebootWindow, _ = decide.ParseWindow("Mon 01:00-02:00")
	f.turn()
	assert.False(t, f.Leases.Service.Leave, "a window's end stops none that began")
	f.with(3, up)
	assert.False(t, decide.MayReboot(&f.State, n3), "it was rebooted")
	f.with(3, wants(api.LeaseReboot))
	assert.False(t, decide.MayReboot(&f.State, n3), "once, whatever it wants next")
}

// A machine goes down before its agent has told that it does, and the storage misses its MDM before anybody misses the node: that ends neither its maintenance, since all
// that it holds would be copied anew, nor its turn.
func TestReboot_onItsWayDownUntold(t *testing.T) {
	for name, change := range map[string]func(*fleet){
		"its MDM is missed": func(f *fleet) { f.View.State = "Degraded" },
		"the window closes": func(f *fleet) { f.Settings.RebootWindow, _ = decide.ParseWindow("Mon 01:00-02:00") },
	} {
		f, n3 := toMaintenance(t)
		f.silent = "id3"
		heard := f.Now
		for f.Now.Sub(heard) < decide.Alive+time.Minute {
			change(f)
			f.turn()
			n3.SeenAt = heard
			assert.False(t, f.Leases.Service.Leave, name)
			require.Equal(t, "id3", f.Leases.Disruption, name)
		}
		f.View.State, f.silent, f.Settings.RebootWindow = "Normal", "", decide.Window{}
		f.with(3, up)
		f.turn()
		assert.Equal(t, "its node is back", f.Leases.Service.Why, name)
	}
	f := newFleet(t) // a client has no SDS, and so no maintenance that keeps its turn
	f.View.SDSs = f.View.SDSs[:2]
	n3 := f.with(3, wants(api.LeaseReboot)).Nodes["id3"]
	f.turn()
	require.True(t, decide.MayReboot(&f.State, n3))
	f.silent = "id3"
	f.Settings.RebootWindow, _ = decide.ParseWindow("Mon 01:00-02:00")
	f.turn()
	f.turn()
	assert.Equal(t, "id3", f.Leases.Disruption, "it may be going")
	f.silent = ""
	f.turn()
	assert.Empty(t, f.Leases.Disruption, "it is heard, and isn't")
}

// One that tells of itself, and never that it heard that its right is over, may still go down: its turn stays with it, and people are told after its time. Notes that nobody can
// read prove nothing.
func TestReboot_neverHeard(t *testing.T) {
	f := newFleet(t)
	f.View.SDSs = f.View.SDSs[:2]
	n3 := f.with(3, wants(api.LeaseReboot)).Nodes["id3"]
	f.turn()
	require.True(t, decide.MayReboot(&f.State, n3))
	f.unread = true
	f.View.Pool.RebuildBytes = 1
	since := f.Now
	for f.Now.Sub(since) < 30*time.Minute+decide.Alive {
		require.False(t, decide.Late(&f.State))
		f.turn()
	}
	assert.Equal(t, "id3", f.Leases.Disruption)
	assert.True(t, decide.Late(&f.State))
	assert.Contains(t, decide.Interruption(&f.State).State, "can't read its notes")
	f.unread = false
	f.turn()
	assert.Empty(t, f.Leases.Disruption, "it stays")
}

// Its SDS is on its way out of maintenance, since the storage wasn't what it was for a moment: what the leader's older sample shows is no ground for a reboot.
func TestReboot_notWhileMaintenanceIsLeft(t *testing.T) {
	f, n3 := toMaintenance(t)
	f.View.State = "Degraded"
	f.turn()
	f.turn()
	require.True(t, f.Leases.Service.Leave)
	f.View.State = "Normal"
	f.turn()
	require.True(t, f.on["id3"].InMaint)
	assert.False(t, decide.MayReboot(&f.State, n3))
	f.lead()
	f.turn()
	require.Nil(t, f.Leases.Service)
}

// A leader that was told to put an SDS into maintenance, and not yet that it is to leave it, may do the one after any sample that shows the SDS outside: the record of whose
// maintenance that is stays until a leader which knows better took one.
func TestReboot_maintenanceThatBeginsLate(t *testing.T) {
	f := newFleet(t)
	f.with(3, wants(api.LeaseReboot))
	f.turn()
	require.NotNil(t, f.Leases.Service)
	f.with(3, func(n *decide.Node) { n.Report.Wants = nil })
	leader := f.Nodes[f.Leases.Leader]
	leader.Generation++ // the order to leave, which it hasn't heard
	for range 4 {
		f.turn()
		require.NotNil(t, f.Leases.Service)
		assert.True(t, f.Leases.Service.Leave)
	}
	f.on["id3"].InMaint = true
	leader.Report.Version.Generation = leader.Generation
	f.turn()
	f.turn()
	require.NotNil(t, f.Leases.Service)
	assert.Equal(t, &api.SDSService{SDS: "sds3", Name: "n3", Leave: true}, f.lead().Service)
	f.turn()
	assert.Nil(t, f.Leases.Service)
}

// A node that had the right and never began, since the storage wasn't what it was, gives it back after its time: nobody is told that it is missed, another one may
// go before it, and when its turn comes again it may take as long as the first time.
func TestReboot_neverBegan(t *testing.T) {
	f := newFleet(t)
	n3 := f.with(3, wants(api.LeaseReboot)).Nodes["id3"]
	f.turn()
	require.Equal(t, "id3", f.Leases.Disruption)
	f.View.Pool.RebuildBytes = 1
	for since := f.Now; f.Now.Sub(since) < 31*time.Minute; {
		f.turn()
		f.lead()
		require.False(t, decide.Late(&f.State), "it didn't go down")
	}
	assert.Empty(t, f.Leases.Disruption)
	f.View.Pool.RebuildBytes = 0
	f.turn()
	f.turn()
	require.Equal(t, "id3", f.Leases.Disruption)
	assert.Less(t, f.Now.Sub(f.Leases.Since), time.Minute)
	for range 3 {
		f.lead()
		f.turn()
	}
	assert.True(t, decide.MayReboot(&f.State, n3))
}

func TestReboot_waitsForItsWindow(t *testing.T) {
	f := newFleet(t)
	f.Settings.RebootWindow, _ = decide.ParseWindow("Mon 01:00-02:00")
	n3 := f.with(3, wants(api.LeaseReboot)).Nodes["id3"]
	_, why := decide.Disruption(&f.State, n3)
	assert.Contains(t, why, "outside of the reboot window (Mon 01:00-02:00), which opens at Mon 2026-11-23 01:00 UTC")
	plan := decide.Plan(&f.State, "")
	assert.Contains(t, plan.Steps[len(plan.Steps)-1].Why, "opens at Mon 2026-11-23 01:00 UTC")
	f.turn()
	assert.Empty(t, f.Leases.Disruption)
	f.later(13*time.Hour + time.Minute)
	f.turn()
	assert.Equal(t, "id3", f.Leases.Disruption)
}

// The first that doesn't return stops all others, and its maintenance ends after its time: until then there is one copy of its data. Its return ends that, or a person.
func TestReboot_late(t *testing.T) {
	f, n3 := toMaintenance(t)
	f.with(2, wants(api.LeaseReboot))
	rebooting(n3)
	f.turn()
	f.on["id3"].Connection = "Disconnected"
	gone := f.Now
	for !decide.Late(&f.State) {
		require.False(t, f.Leases.Service.Leave)
		f.turn()
		n3.SeenAt = gone
		require.Less(t, f.Now.Sub(gone), time.Hour)
	}
	f.Leases.Late = true
	assert.InDelta(t, 30*time.Minute, f.Now.Sub(gone), float64(time.Minute))
	f.turn()
	n3.SeenAt = gone
	require.True(t, f.Leases.Service.Leave)
	f.lead()
	f.turn()
	n3.SeenAt = gone
	f.turn()
	n3.SeenAt = gone
	assert.Nil(t, f.Leases.Service)
	assert.Equal(t, "id3", f.Leases.Disruption, "told once, and nobody else goes")
	assert.False(t, decide.Late(&f.State))
	view := decide.Interruption(&f.State)
	assert.True(t, view.Late)
	assert.Contains(t, view.State, "isn't heard for")

	released := f.Leases
	f.Leases = decide.Released(&f.State)
	f.turn()
	n3.SeenAt = gone
	_, why := decide.Disruption(&f.State, f.Nodes["id2"])
	assert.Contains(t, why, "SDS n3 is Disconnected", "released by a person: the storage has the word")

	f.Leases = released
	f.with(3, up)
	f.on["id3"].Connection = "Connected"
	f.with(3, done)
	f.turn()
	f.turn()
	assert.Equal(t, "id2", f.Leases.Disruption, "back: the next one may")
	assert.False(t, f.Leases.Late)
}

// A person's release while a node is down: its SDS leaves maintenance before anybody else may be interrupted.
func TestReboot_releasedWhileInMaintenance(t *testing.T) {
	f, n3 := toMaintenance(t)
	rebooting(n3)
	f.on["id3"].Connection = "Disconnected"
	f.with(2, wants(api.LeaseReboot))
	f.Leases = decide.Released(&f.State)
	require.NotNil(t, f.Leases.Service, "it is ours to end, whoever leads")
	_, why := decide.Disruption(&f.State, f.Nodes["id2"])
	assert.Contains(t, why, "leaves maintenance")
	f.turn()
	assert.False(t, f.Leases.Service.Leave, "it may be going just now")
	f.later(40 * time.Second)
	f.turn()
	assert.True(t, f.Leases.Service.Leave)
	assert.Empty(t, f.Leases.Disruption)
}

// What a person put into maintenance is neither taken for ours nor ended.
func TestReboot_aPersonsMaintenance(t *testing.T) {
	f := newFleet(t)
	f.with(3, wants(api.LeaseReboot))
	f.on["id3"].InMaint = true
	f.turn()
	assert.Empty(t, f.Leases.Disruption)
	assert.Nil(t, f.Leases.Service)
	assert.False(t, decide.Storage(&f.State, f.Nodes["id3"]).Ours)
	f.Leases.Disruption, f.Leases.For, f.Leases.Boot, f.Leases.Since = "id3", decide.ForReboot, "before", f.Now // it got there after the lease was given
	f.turn()
	assert.Nil(t, f.Leases.Service)
	assert.False(t, decide.MayReboot(&f.State, f.Nodes["id3"]))
	assert.Nil(t, f.lead().Service)
}

// Without a young sample of the present leader nothing is entered or ended.
func TestReboot_unknownStorageChangesNothing(t *testing.T) {
	f, n3 := toMaintenance(t)
	rebooting(n3)
	f.with(3, up)
	for name, blind := range map[string]func(*decide.State){
		"none": func(s *decide.State) { s.View = nil },
		"old": func(s *decide.State) {
			s.View = &decide.View{ClusterView: s.View.ClusterView, From: s.View.From, At: s.Now.Add(-time.Minute)}
		},
		"of the former leader": func(s *decide.State) { s.Leases.Leader = "id2" },
		"without a gateway": func(s *decide.State) {
			s.View = &decide.View{ClusterView: &api.ClusterView{State: "Normal"}, From: s.View.From, At: s.Now}
		},
	} {
		s := f.State
		blind(&s)
		assert.Same(t, f.Leases.Service, decide.Serve(&s), name)
	}
}

// A restart of the Mesos agent and a reboot are two interruptions: the lease comes back between them, so that the reboot waits for its window.
func TestReboot_afterARestart(t *testing.T) {
	f := newFleet(t)
	n3 := f.with(3, func(n *decide.Node) { n.Report.Wants = []api.LeaseName{api.LeaseDisruption, api.LeaseReboot} }).Nodes["id3"]
	f.turn()
	require.Equal(t, "id3", f.Leases.Disruption)
	assert.Empty(t, f.Leases.For)
	assert.False(t, decide.MayReboot(&f.State, n3))
	assert.True(t, decide.MayInterrupt(&f.State, n3))
	f.with(3, wants(api.LeaseReboot))
	f.Settings.RebootWindow, _ = decide.ParseWindow("Mon 01:00-02:00")
	f.turn()
	assert.Empty(t, f.Leases.Disruption)
}

// What a node needs only after its reboot, it gets by the same lease: it is the one that is interrupted.
func TestReboot_restartAfterIt(t *testing.T) {
	f, n3 := toMaintenance(t)
	rebooting(n3)
	f.with(3, up, func(n *decide.Node) {
		n.Report.Intents, n.Report.Wants = nil, []api.LeaseName{api.LeaseDisruption}
		n.Report.Conditions = append(n.Report.Conditions, api.Condition{Type: "restart-mesos-agent", Status: api.False, Reason: "WaitingForLease", Generation: n.Report.Version.Generation})
	})
	f.turn()
	f.lead()
	f.turn()
	f.turn()
	f.turn()
	assert.Equal(t, "id3", f.Leases.Disruption)
	f.turn()
	assert.True(t, decide.MayInterrupt(&f.State, n3))
}

// A master whose MDM gives no answer just then doesn't say that it is none: it goes down no sooner for that.
func TestReboot_ofAMuteMDM(t *testing.T) {
	f := newFleet(t)
	n1 := f.with(1, wants(api.LeaseReboot)).Nodes["id1"]
	f.turn()
	require.Equal(t, "id1", f.Leases.Disruption)
	for _, says := range []*api.MDMView{nil, {Installed: true}} {
		n1.Report.MDM = says
		f.turn()
		assert.Nil(t, f.Leases.Service)
		assert.False(t, decide.MayReboot(&f.State, n1))
		assert.Contains(t, decide.Interruption(&f.State).State, "doesn't say whether it is master")
	}
}

// A state that was restored from before the gates opened knows of the system, and not that its data is there by now.
func TestReboot_restoredFromBeforeItsGates(t *testing.T) {
	f := newFleet(t)
	f.Cluster.Gates, f.Cluster.Epoch = []api.Gate{api.GateRolesDecided, api.GateMDMsInstalled}, 2
	for _, n := range f.Nodes {
		n.Report.Version.Epoch = 2
	}
	f.with(2, wants(api.LeaseReboot))
	pool := f.View.Pool
	f.View.State = "Degraded"
	f.turn()
	assert.Empty(t, f.Leases.Disruption)
	f.View.State, f.View.Pool = "Normal", nil
	f.turn()
	assert.Empty(t, f.Leases.Disruption, "its gateway is away: what the pool is, nobody sees")
	f.View.Pool = pool
	f.turn()
	assert.Equal(t, "id2", f.Leases.Disruption)
}

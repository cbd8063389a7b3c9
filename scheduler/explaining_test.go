package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
)

type listed struct {
	Mesos
	agents []KnownAgent
	err    error
}

func (l listed) Agents(context.Context) ([]KnownAgent, error) { return l.agents, l.err }

func explaining(mesos Mesos) *brain {
	b := newBrain(Options{Log: slog.New(slog.DiscardHandler), Now: time.Now, Mesos: mesos, Store: &store.Memory{}, AgentsMatch: map[string]string{"storage": "yes"},
		ReserveMDM: Resources{CPUs: 1, MemMB: 3072}, ReserveData: Resources{CPUs: 0.5, MemMB: 1024}, AdminPassword: api.NewSecret("Planted-Admin-1")})
	b.connection = nil
	b.state.Now = time.Now()
	return b
}

func TestExplain_noOfferSeenBecause(t *testing.T) {
	fine := KnownAgent{ID: "S1", Hostname: "n9", IP: "10.0.0.9", Active: true, Attributes: map[string]string{"storage": "yes"}, FreeCPUs: 4, FreeMemMB: 8192}
	with := func(change func(*KnownAgent)) listed {
		a := fine
		a.Attributes = map[string]string{"storage": "yes"}
		change(&a)
		return listed{agents: []KnownAgent{a}}
	}
	for name, c := range map[string]struct {
		mesos  Mesos
		break_ func(*brain)
		says   string
	}{
		"unknown to Mesos": {listed{}, nil, "knows no agent with this host name"},
		"Mesos is away":    {listed{err: errors.New("refused")}, nil, "Mesos can't be asked which agents it has: refused"},
		"not connected":    {with(func(a *KnownAgent) { a.Active = false }), nil, "isn't connected to the master"},
		"drained":          {with(func(a *KnownAgent) { a.Draining = true }), nil, "is being drained"},
		"attributes":       {with(func(a *KnownAgent) { a.Attributes["storage"] = "no" }), nil, "its attributes (storage=no) don't match `agents-match` (storage=yes)"},
		"too small":        {with(func(a *KnownAgent) { a.FreeMemMB = 512 }), nil, "n9 offers 4 cpus and 512 MB; a data node needs 0.5 cpus and 1024 MB"},
		"held":             {with(func(*KnownAgent) {}), func(b *brain) { b.state.Cluster.Hold = &api.Hold{Author: "ann"} }, "the cluster is held by ann"},
		"removed": {with(func(*KnownAgent) {}), func(b *brain) {
			b.state.Nodes["id"] = &decide.Node{ID: "id", Name: "old", Hostname: "elsewhere", AgentID: "S1", Removal: &decide.Leaver{Phase: api.RemovalDone}}
		}, "was removed by a person"},
		"nothing is wrong": {with(func(*KnownAgent) {}), nil, "the master hasn't offered it yet though 4 cpus"},
		"no subscription":  {with(func(*KnownAgent) {}), func(b *brain) { b.connection = errors.New("no leader") }, "the scheduler isn't connected to Mesos: no leader"},
	} {
		t.Run(name, func(t *testing.T) {
			b := explaining(c.mesos)
			if c.break_ != nil {
				c.break_(b)
			}
			for _, asked := range []string{"n9"} {
				e, err := b.Explain(t.Context(), asked)
				require.NoError(t, err)
				assert.True(t, strings.HasPrefix(e.InTheWay, "no offer seen because "), e.InTheWay)
				assert.Contains(t, e.InTheWay, c.says)
			}
		})
	}
}

// Secrets are planted everywhere a diagnosis looks, and in records that it must not show.
func TestDiagnose_holdsNoSecret(t *testing.T) {
	b := explaining(listed{})
	b.secrets = secretsRecord{GatewayAdmin: "Planted-Gateway-1", VolumeUser: "Planted-Volume-1"}
	b.Servers = []string{"https://ann:Planted-URL-1@scheduler:9443"}
	planted := []string{"Planted-Admin-1", "Planted-Gateway-1", "Planted-Volume-1", "Planted-URL-1", "Planted-Key-1"}
	said := strings.Join(planted[:3], " ")
	b.state.Nodes["id1"] = &decide.Node{ID: "id1", Name: "n1", Report: &api.Report{Conditions: []api.Condition{{Type: "x", Status: api.False, Reason: "Failed", Message: said}}}}
	b.event(nil, "Said", "%s", said)
	for key, value := range map[string]string{"authority": `{"key":"Planted-Key-1"}`, "secrets": `{"gatewayAdmin":"Planted-Gateway-1"}`, "reports/id1": `{"message":"` + said + `"}`, "nodes/id1": `{"id":"id1"}`,
		"unheard-of/kind": `{"key":"Planted-Key-1"}`} {
		require.NoError(t, b.records.store.Commit(t.Context(), store.Change{Key: key, Value: []byte(value)}))
	}
	d, err := b.Diagnose(t.Context())
	require.NoError(t, err)
	all := ""
	for _, f := range d.Files {
		all += f.Name + "\n" + f.Text
	}
	for _, secret := range planted {
		assert.NotContains(t, all, secret)
	}
	for _, wanted := range []string{"status.json", "events.json", "goroutines.txt", "nodes/id1", "Said", "scaleio_scheduler_nodes 1"} {
		assert.Contains(t, all, wanted)
	}
}

// Who, why and from which facts is in every event, and they can be asked for.
func TestEvents_whoWhyAndEvidence(t *testing.T) {
	b := explaining(listed{})
	n := &decide.Node{ID: "id1", Name: "n1", Generation: 7, Report: &api.Report{BootID: "b1"}}
	b.state.Nodes["id1"] = n
	b.byPerson(n, "Held", "ann", "disk swap", "nothing is changed")
	first := *n
	n.Report = &api.Report{BootID: "b2", Conditions: []api.Condition{{Type: api.ConditionHeld, Status: api.True, Message: "/etc/scaleio-agent/hold: ann"}},
		Disks: []api.Disk{{ID: "d1", Path: "/dev/sdb", State: api.DiskRefused, Reason: "HasSignature"}}}
	b.witness(n, &first)
	b.event(nil, "GateOpened", "x")
	all := b.Events(api.EventQuery{}).Events
	var kinds []string
	for i, e := range all {
		kinds = append(kinds, e.Kind)
		assert.NotEmpty(t, e.Who)
		assert.NotEmpty(t, e.Evidence)
		assert.EqualValues(t, i+1, e.Seq)
	}
	assert.Equal(t, []string{"Held", "NodeRebooted", "HeldOnNode", "DiskRefused", "GateOpened"}, kinds)
	assert.Equal(t, "ann", all[0].Who)
	assert.Equal(t, "disk swap", all[0].Why)
	assert.Equal(t, "7", all[0].Evidence["generation"])
	assert.Equal(t, "n1", all[1].Who)
	assert.Len(t, b.Events(api.EventQuery{Node: "n1"}).Events, 4)
	assert.Len(t, b.Events(api.EventQuery{After: 4}).Events, 1)
	assert.Empty(t, b.Events(api.EventQuery{Since: time.Now().Add(time.Hour)}).Events)
	assert.Empty(t, b.Events(api.EventQuery{Growth: true}).Events)
}

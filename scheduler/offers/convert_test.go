package offers

import (
	"testing"
	"time"

	mesosgo "github.com/mesos/mesos-go/api/v1/lib"
	mesos "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
)

func scalar(name string, value float64, reserved bool) mesosgo.Resource {
	kind := mesosgo.SCALAR
	r := mesosgo.Resource{Name: name, Type: &kind, Scalar: &mesosgo.Value_Scalar{Value: value}}
	if reserved {
		role := "scaleio"
		r.Reservations = []mesosgo.Resource_ReservationInfo{{Role: &role}}
	}
	return r
}

func anOffer(resources ...mesosgo.Resource) *mesosgo.Offer {
	return &mesosgo.Offer{ID: mesosgo.OfferID{Value: "O1"}, AgentID: mesosgo.AgentID{Value: "S1"}, Hostname: "n1", Resources: resources}
}

func aLaunch() scheduler.Launch {
	return scheduler.Launch{TaskID: "t1", Name: "scaleio-agent", AgentID: "S1", CPUs: 1, MemMB: 100, Command: "true"}
}

// mesos-go marshals a task without name, ids or command without a word; Mesos then refuses it, or worse.
func TestTaskInfo_refusesWhatMesosGoWouldSend(t *testing.T) {
	o := anOffer(scalar("cpus", 4, false), scalar("mem", 1000, false))
	_, err := taskInfo(o, aLaunch())
	require.NoError(t, err)
	for name, spoil := range map[string]func(*scheduler.Launch){
		"no id": func(l *scheduler.Launch) { l.TaskID = "" }, "no name": func(l *scheduler.Launch) { l.Name = "" },
		"no command": func(l *scheduler.Launch) { l.Command = "" }, "another agent": func(l *scheduler.Launch) { l.AgentID = "S2" },
		"more than offered": func(l *scheduler.Launch) { l.MemMB = 2000 },
	} {
		t.Run(name, func(t *testing.T) {
			l := aLaunch()
			spoil(&l)
			_, err := taskInfo(o, l)
			assert.Error(t, err)
		})
	}
}

func TestTaskInfo_runsAsRootWithChecks(t *testing.T) {
	l := aLaunch()
	l.Health = scheduler.HTTPHealth{Port: 9780, Path: "/healthz", Grace: 5 * time.Minute, Failures: 10}
	l.Check = scheduler.CommandCheck{Command: "./scaleio-agent status --ready", Interval: 10 * time.Second}
	task, err := taskInfo(anOffer(scalar("cpus", 4, false), scalar("mem", 1000, false)), l)
	require.NoError(t, err)
	assert.Equal(t, "root", task.Command.GetUser())
	assert.EqualValues(t, 9780, task.HealthCheck.GetHTTP().GetPort())
	assert.Equal(t, 300.0, task.HealthCheck.GetGracePeriodSeconds())
	assert.Equal(t, mesosgo.CheckInfo_COMMAND, task.Check.Type, "a check reports and never kills")
}

func TestTake_reservedFirst(t *testing.T) {
	taken, err := take([]mesosgo.Resource{scalar("cpus", 2, false), scalar("cpus", 0.5, true)}, map[string]float64{"cpus": 1})
	require.NoError(t, err)
	require.Len(t, taken, 2)
	assert.Equal(t, 0.5, taken[0].Scalar.Value)
	assert.NotEmpty(t, taken[0].Reservations)
	assert.Equal(t, 0.5, taken[1].Scalar.Value)
	_, err = take([]mesosgo.Resource{scalar("cpus", 0.1, false)}, map[string]float64{"cpus": 1})
	assert.ErrorContains(t, err, "cpus")
}

func TestPlainOffer_leavesOutWhatMayBeTakenAway(t *testing.T) {
	revocable := scalar("cpus", 8, false)
	revocable.Revocable = &mesosgo.Resource_RevocableInfo{}
	o := anOffer(scalar("cpus", 2, false), scalar("cpus", 1, true), revocable, scalar("mem", 512, false))
	ten := 10.0
	o.Attributes = []mesosgo.Attribute{{Name: "rack", Type: mesosgo.TEXT, Text: &mesosgo.Value_Text{Value: "r1"}}, {Name: "level", Type: mesosgo.SCALAR, Scalar: &mesosgo.Value_Scalar{Value: ten}}}
	plain := plainOffer(o)
	assert.Equal(t, 3.0, plain.CPUs)
	assert.Equal(t, 512.0, plain.MemMB)
	assert.Equal(t, map[string]string{"rack": "r1", "level": "10"}, plain.Attributes, "as the agent's flag had it")
}

// A newer master sends kinds and reasons that this version doesn't know: the JSON codec of mesos-go ends the stream at the first.
func TestEvents_unknownEnumsAreTolerated(t *testing.T) {
	event := &mesos.Event{Type: mesos.Event_UPDATE, Update: &mesos.Event_Update{Status: mesosgo.TaskStatus{TaskID: mesosgo.TaskID{Value: "t1"}}}}
	state, reason := mesosgo.TASK_RUNNING, mesosgo.TaskStatus_Reason(9999)
	event.Update.Status.State, event.Update.Status.Reason = &state, &reason
	raw, err := event.Marshal()
	require.NoError(t, err)
	var back mesos.Event
	require.NoError(t, back.Unmarshal(raw))
	update := plainUpdate(&back.Update.Status)
	assert.Equal(t, scheduler.TaskRunning, update.State)
	assert.NotEmpty(t, update.Reason)

	unknown := &mesos.Event{Type: mesos.Event_Type(4711)}
	raw, err = unknown.Marshal()
	require.NoError(t, err)
	require.NoError(t, back.Unmarshal(raw))
	assert.NoError(t, (&session{}).handle(t.Context(), &back, nil), "passed over")
}

func TestPlainUpdate_absentReasonIsNone(t *testing.T) {
	state := mesosgo.TASK_RUNNING
	assert.Empty(t, plainUpdate(&mesosgo.TaskStatus{State: &state}).Reason, "the getter of an absent reason names one that is wrong")
}

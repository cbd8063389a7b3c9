package wire_test

import (
	"testing"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/mesos/wire"
)

func TestUnmarshal_saysWhatMesosSays(t *testing.T) {
	for body, want := range map[string]string{
		`{not json`:                           "syntax error at line 1 near: not json",
		``:                                    "syntax error at line 1 near: ",
		`[]`:                                  "Expecting a JSON object",
		`{"type":7}`:                          "Not expecting a JSON number for field 'type'",
		`{"type":"SUBSCRIBE","subscribe":{}}`: "Missing required fields: subscribe.framework_info",
		`{"type":"SUBSCRIBE","subscribe":{"framework_info":{}}}`:                         "Missing required fields: subscribe.framework_info.user, subscribe.framework_info.name",
		`{"type":"DECLINE","decline":{"offer_ids":"x"}}`:                                 "Not expecting a JSON string for field 'offer_ids'",
		`{"type":"DECLINE","decline":{"offer_ids":[{}]}}`:                                "Missing required fields: decline.offer_ids[0].value",
		`{"acknowledge":{"agent_id":{"value":"a"},"task_id":{"value":"t"},"uuid":"!!"}}`: "Failed to base64 decode bytes field 'uuid': Invalid character '!'",
	} {
		var call scheduler.Call
		require.EqualError(t, wire.Unmarshal([]byte(body), &call), want, body)
	}
}

func TestUnmarshal_passesOverWhatItDoesNotKnow(t *testing.T) {
	var call scheduler.Call
	require.NoError(t, wire.Unmarshal([]byte(`{"type":"NO_SUCH","x":1,"subscribe":{"framework_info":{"user":"u","name":"n",
		"capabilities":[{"type":"NO_SUCH"}],"failover_timeout":60}}}`), &call))
	require.Equal(t, scheduler.Call_UNKNOWN, call.Type)
	require.Equal(t, 60.0, *call.Subscribe.FrameworkInfo.FailoverTimeout)
	require.Equal(t, v1.FrameworkInfo_Capability_UNKNOWN, call.Subscribe.FrameworkInfo.Capabilities[0].Type)
}

func TestMarshal_printsAsMesos(t *testing.T) {
	seconds, running, healthy := 15.0, v1.TASK_RUNNING, false
	event := &scheduler.Event{Type: scheduler.Event_SUBSCRIBED, Subscribed: &scheduler.Event_Subscribed{
		FrameworkID: &v1.FrameworkID{Value: `a"b`}, HeartbeatIntervalSeconds: &seconds,
		MasterInfo: &v1.MasterInfo{ID: "m", Capabilities: []v1.MasterInfo_Capability{{Type: wire.QuotaV2}}},
	}}
	body, err := wire.Marshal(event)
	require.NoError(t, err)
	require.Equal(t, `{"type":"SUBSCRIBED","subscribed":{"framework_id":{"value":"a\"b"},"heartbeat_interval_seconds":15.0,`+
		`"master_info":{"id":"m","ip":0,"capabilities":[{"type":"QUOTA_V2"}]}}}`, string(body))

	status := &v1.TaskStatus{TaskID: v1.TaskID{Value: "t"}, State: &running, UUID: []byte{1, 2, 3}, Healthy: &healthy}
	body, err = wire.Marshal(status)
	require.NoError(t, err)
	require.Equal(t, `{"task_id":{"value":"t"},"state":"TASK_RUNNING","uuid":"AQID","healthy":false}`, string(body))
	var back v1.TaskStatus
	require.NoError(t, wire.Unmarshal(body, &back))
	require.Equal(t, *status, back)
}

// Whatever is thrown at it is an error or a message that prints again.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"type":"ACCEPT","accept":{"offer_ids":[{"value":"o"}],"operations":[{"type":"LAUNCH"}],"filters":{"refuse_seconds":1}}}`))
	f.Add([]byte(`{"subscribe":{"framework_info":{"user":"u","name":"n","offer_filters":{"r":{}}}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var call scheduler.Call
		if wire.Unmarshal(body, &call) == nil {
			_, err := wire.Marshal(&call)
			require.NoError(t, err)
		}
	})
}

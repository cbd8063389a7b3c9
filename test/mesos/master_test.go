package mesos_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/encoding/codecs"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpsched"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/mesos"
	"scaleio-framework/test/mesos/probe"
)

var dig = probe.Dig

func startMaster(t *testing.T, cfg mesos.Config) (*mesos.Master, string) {
	t.Helper()
	master := mesos.NewMaster(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = master.Run(ctx)
	}()
	server := httptest.NewServer(master.Handler())
	t.Cleanup(func() {
		cancel()
		<-done
		server.Close()
	})
	return master, server.URL
}

func TestMaster_launchesOnASimulatedAgent(t *testing.T) {
	master, url := startMaster(t, mesos.Config{AllocationInterval: 20 * time.Millisecond})
	agent := master.AddAgent(mesos.AgentSpec{Hostname: "n1", Attributes: "rack:r1"})
	s := probe.Subscribe(t, url, probe.Framework())

	offer := s.Offer()
	require.Equal(t, agent, dig(offer, "agent_id", "value"))
	s.Launch(offer, "t1", "sleep 1", nil)
	require.Equal(t, "TASK_STARTING", s.Status("t1")["state"])
	require.Equal(t, "TASK_RUNNING", s.Status("t1")["state"])
	require.Equal(t, 1, master.Counts().Running)

	s.Kill("t1")
	require.Equal(t, "TASK_KILLED", s.Status("t1")["state"])
}

func TestMaster_losesAnAgentAndGetsItBack(t *testing.T) {
	master, url := startMaster(t, mesos.Config{AllocationInterval: 20 * time.Millisecond})
	agent := master.AddAgent(mesos.AgentSpec{Hostname: "n1"})
	s := probe.Subscribe(t, url, probe.Framework())
	s.Launch(s.Offer(), "t1", "sleep 1", nil)
	s.Until("t1", "TASK_RUNNING")

	master.LoseAgent(agent)
	require.Equal(t, "TASK_LOST", s.Status("t1")["state"])
	require.Equal(t, agent, dig(s.Next("FAILURE"), "failure", "agent_id", "value"))

	master.ReturnAgent(agent)
	back := s.Status("t1")
	require.Equal(t, "REASON_AGENT_REREGISTERED", back["reason"])
	require.Equal(t, "TASK_RUNNING", back["state"])

	master.RebootAgent(agent)
	require.Equal(t, "TASK_LOST", s.Status("t1")["state"])
}

func TestMaster_brokenStreamLeavesTheFramework(t *testing.T) {
	master, url := startMaster(t, mesos.Config{})
	s := probe.Subscribe(t, url, probe.Framework())
	master.DropStreams()
	require.Eventually(t, func() bool { return master.Counts().Connected == 0 }, 5*time.Second, time.Millisecond)
	require.Equal(t, []string{s.ID}, master.FrameworkIDs())
}

// As the non-leading masters of recording 29.
func TestMaster_redirectsToTheLeader(t *testing.T) {
	master, url := startMaster(t, mesos.Config{Leader: "10.0.0.7:5050"})
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, path := range []string{"/api/v1/scheduler", "/master/api/v1/scheduler"} {
		response, err := client.Post(url+path+"?x=1", "text/plain", strings.NewReader("anything"))
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusTemporaryRedirect, response.StatusCode)
		require.Equal(t, "//10.0.0.7:5050/master/api/v1/scheduler?x=1", response.Header.Get("Location"))
		require.Empty(t, body)
	}
	response, err := client.Get(url + "/health")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)

	master.SetLeader("")
	probe.Subscribe(t, url, probe.Framework())
}

// As the client of recording 30: the protobuf codec of mesos-go understands
// what the dev master sends, and the other way round.
func TestMaster_speaksProtobufWithMesosGo(t *testing.T) {
	master, url := startMaster(t, mesos.Config{AllocationInterval: 20 * time.Millisecond})
	agent := master.AddAgent(mesos.AgentSpec{Hostname: "n1", Attributes: "rack:r1;level:10"})
	caller := httpsched.NewCaller(httpcli.New(
		httpcli.Endpoint(url+"/api/v1/scheduler"),
		httpcli.Codec(codecs.ByMediaType[codecs.MediaTypeProtobuf]),
	))
	role := "test"
	info := &v1.FrameworkInfo{User: "root", Name: "test", Role: &role}
	response, err := caller.Call(t.Context(), calls.Subscribe(info))
	require.NoError(t, err)
	defer func() { _ = response.Close() }()
	var kinds []scheduler.Event_Type
	for len(kinds) < 3 {
		var e scheduler.Event
		require.NoError(t, response.Decode(&e))
		kinds = append(kinds, e.Type)
		if e.Type == scheduler.Event_OFFERS {
			offer := e.Offers.Offers[0]
			require.Equal(t, agent, offer.AgentID.Value)
			require.Equal(t, 10.0, offer.Attributes[1].Scalar.Value)
			id := offer.FrameworkID.Value
			_, err := caller.Call(t.Context(), calls.Decline(offer.ID).With(calls.Framework(id)))
			require.NoError(t, err)
		}
	}
	require.Equal(t, []scheduler.Event_Type{scheduler.Event_SUBSCRIBED, scheduler.Event_HEARTBEAT, scheduler.Event_OFFERS}, kinds)
	require.Zero(t, master.Counts().Offers)
}

// The fields of /master/state that operators' tools and our agents read.
func TestMaster_stateForOperators(t *testing.T) {
	master, url := startMaster(t, mesos.Config{AllocationInterval: 20 * time.Millisecond})
	agent := master.AddAgent(mesos.AgentSpec{Hostname: "n1", Attributes: "rack:r1;level:10"})
	info := probe.Framework()
	info["webui_url"] = "https://10.0.0.1:9443/"
	s := probe.Subscribe(t, url, info)
	s.Launch(s.Offer(), "t1", "sleep 1", nil)
	s.Until("t1", "TASK_RUNNING")
	for _, path := range []string{"/state", "/master/state"} {
		response, err := http.Get(url + path)
		require.NoError(t, err)
		var state map[string]any
		require.NoError(t, json.NewDecoder(response.Body).Decode(&state))
		require.NoError(t, response.Body.Close())
		require.Equal(t, "https://10.0.0.1:9443/", dig(state, "frameworks", 0, "webui_url"))
		require.Equal(t, s.ID, dig(state, "frameworks", 0, "id"))
		require.Equal(t, "TASK_RUNNING", dig(state, "frameworks", 0, "tasks", 0, "state"))
		require.Equal(t, agent, dig(state, "frameworks", 0, "tasks", 0, "slave_id"))
		require.Equal(t, "r1", dig(state, "slaves", 0, "attributes", "rack"))
		require.Equal(t, 10.0, dig(state, "slaves", 0, "attributes", "level"))
		require.Equal(t, 0.1, dig(state, "slaves", 0, "used_resources", "cpus"))
	}
}

package agent_test

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/mesos"
	"scaleio-framework/test/mesos/probe"
)

// Recording 18: a master that has forgotten everything takes the old framework
// id and the old agent id, and learns of the task from the agent.
func TestRemoteAgent_findsARestartedMaster(t *testing.T) {
	testCgroup(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	stopFirst := serve(mesos.NewMaster(mesos.Config{}), listener)
	c := newCluster(t, map[string]string{"master": address})
	url := "http://" + address
	s := probe.Subscribe(t, url, probe.Framework())
	s.Launch(s.Offer(), "m1", "sleep 600", nil)
	s.Until("m1", "TASK_RUNNING")
	stopFirst()

	second := mesos.NewMaster(mesos.Config{})
	listener, err = net.Listen("tcp", address)
	require.NoError(t, err)
	defer serve(second, listener)()
	info := probe.Framework()
	info["id"] = object{"value": s.ID}
	s = probe.Subscribe(t, url, info)
	back := s.Until("m1", "TASK_RUNNING")
	require.Equal(t, "REASON_AGENT_REREGISTERED", back["reason"])
	require.Equal(t, "Unknown agent reregistered", back["message"])
	require.NotContains(t, dig(back, "agent_id", "value"), second.ID(), "the agent's id is the first master's")
	s.Kill("m1")
	require.Equal(t, "Command terminated with signal Terminated", s.Until("m1", "TASK_KILLED")["message"])
	_ = c
}

func serve(master *mesos.Master, listener net.Listener) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	server := &http.Server{Handler: master.Handler()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = master.Run(ctx)
	}()
	go func() { _ = server.Serve(listener) }()
	return func() {
		_ = server.Close()
		cancel()
		<-done
	}
}

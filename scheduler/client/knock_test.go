package client_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/client"
)

func TestKnock(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, client.Knock(t.Context(), "https://"+l.Addr().String()+"/path"))
	require.NoError(t, l.Close())
	require.ErrorContains(t, client.Knock(t.Context(), "https://"+l.Addr().String()), "knocking at")
}

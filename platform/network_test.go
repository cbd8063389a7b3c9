package platform_test

import (
	"net"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
)

func TestNetwork_listening(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	assert.True(t, platform.Network{}.Listening(t.Context(), addr))
	require.NoError(t, l.Close())
	assert.False(t, platform.Network{}.Listening(t.Context(), addr))
}

func TestNetwork_addressesAreGlobal(t *testing.T) {
	addrs, err := platform.Network{}.Addresses()
	require.NoError(t, err)
	for _, a := range addrs {
		assert.True(t, a.IsGlobalUnicast(), a)
	}
}

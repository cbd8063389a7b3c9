package agent

import (
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCrowd_isBounded(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &crowd{Listener: inner, inside: map[bool]int{}}
	accepted := make(chan net.Conn, 2*maxCrowd)
	go func() {
		defer close(accepted)
		for {
			conn, err := c.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	dial := func() net.Conn {
		conn, err := net.Dial("tcp", inner.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	for range maxCrowd {
		dial()
	}
	first := <-accepted
	for range maxCrowd - 1 {
		<-accepted
	}
	tooMany := dial()
	require.NoError(t, tooMany.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, err = tooMany.Read(make([]byte, 1))
	require.Error(t, err)
	assert.NotErrorIs(t, err, os.ErrDeadlineExceeded, "closed at once")
	assert.True(t, c.enter(false), "others are counted apart")
	require.NoError(t, first.Close())
	dial()
	<-accepted
	require.NoError(t, inner.Close())
}

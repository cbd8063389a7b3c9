package server

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLimited_closesWhatIsTooMuch(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := limit(inner, 10, 2)
	accepted := make(chan net.Conn, 10)
	go func() {
		defer close(accepted)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	shut := func(c net.Conn) bool {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
		_, err := c.Read(make([]byte, 1))
		return err == io.EOF || err != nil && !err.(net.Error).Timeout()
	}
	dial()
	dial()
	first := <-accepted
	<-accepted
	assert.True(t, shut(dial()), "the third of an address")
	require.NoError(t, first.Close())
	require.Error(t, first.Close(), "twice gives one place back")
	dial()
	<-accepted
	assert.True(t, shut(dial()))
	require.NoError(t, l.Close())
	for range accepted {
		t.Error("nothing else was accepted")
	}

	all := limit(inner, 3, 2)
	for _, from := range []string{"a", "a", "b"} {
		assert.True(t, all.take(from))
	}
	assert.False(t, all.take("c"), "in all")
	all.release("a")
	assert.True(t, all.take("c"))
}

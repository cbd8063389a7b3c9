package sdc

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/scaleio/wire"
)

// pipe is a session whose other end the test plays.
func pipe(t *testing.T) (s *session, requests chan wire.SDCRequest, answer func(seq int64)) {
	ours, theirs := net.Pipe()
	s = newSession(ours, func(wire.SDCAnswer) {})
	go s.receive()
	requests = make(chan wire.SDCRequest, 100)
	go func() {
		for in := bufio.NewScanner(theirs); in.Scan(); {
			var req wire.SDCRequest
			if json.Unmarshal(in.Bytes(), &req) == nil {
				requests <- req
			}
		}
	}()
	t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	return s, requests, func(seq int64) {
		require.NoError(t, json.NewEncoder(theirs).Encode(wire.SDCAnswer{Seq: seq}))
	}
}

func TestSession_silentMDMIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := pipe(t)
		begin := time.Now()
		s.keepAlive(t.Context())
		assert.Equal(t, pingEvery+silentIdle, time.Since(begin))
	})
}

func TestSession_mdmThatHoldsARequestBackIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, requests, answer := pipe(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { s.keepAlive(ctx); close(ended) }()
		allocated := make(chan error, 1)
		go func() {
			_, err := s.ask(ctx, wire.SDCRequest{Op: "allocate"})
			allocated <- err
		}()
		select {
		case <-ended:
			require.FailNow(t, "given up")
		case <-time.After(3 * silentIdle): // of the bubble's clock
		}
		answer((<-requests).Seq)
		answer((<-requests).Seq)
		require.NoError(t, <-allocated)
		cancel()
		<-ended
	})
}

func TestSession_lostWhileAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, requests, _ := pipe(t)
		go func() {
			<-requests
			_ = s.conn.Close()
		}()
		_, err := s.ask(t.Context(), wire.SDCRequest{Op: "allocate"})
		require.ErrorIs(t, err, errSessionLost)
		assert.Zero(t, s.asked())
	})
}

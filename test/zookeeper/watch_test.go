//go:build nodes

package zookeeper_test

import (
	"context"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/zookeeper"
)

// Whoever looks every second at what never changes adds up nothing, and is told of each change all the same.
func TestReal_watchesDontAddUp(t *testing.T) {
	e := start(t, 1)
	servers, _, err := zookeeper.ParseURL(e.url())
	require.NoError(t, err)
	c, err := zookeeper.Dial(zookeeper.Options{Servers: servers, Session: session, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = c.Watch(ctx, "/watched")
	require.NoError(t, err)
	before := runtime.NumGoroutine()
	var watch <-chan struct{}
	for range 200 {
		watch, err = c.Watch(ctx, "/watched")
		require.NoError(t, err)
	}
	assert.Less(t, runtime.NumGoroutine(), before+20)
	for i, op := range []zookeeper.Op{
		{Kind: zookeeper.Create, Path: "/watched", ACL: zk.WorldACL(zk.PermAll)},
		{Kind: zookeeper.Create, Path: "/watched/child", ACL: zk.WorldACL(zk.PermAll)},
		{Kind: zookeeper.Delete, Path: "/watched/child"},
		{Kind: zookeeper.Set, Path: "/watched", Data: []byte("x")},
		{Kind: zookeeper.Delete, Path: "/watched", Version: 1},
	} {
		require.NoError(t, c.Multi(ctx, op), "change %d", i)
		select {
		case <-watch:
		case <-ctx.Done():
			require.Fail(t, "nobody told", "change %d", i)
		}
		for again := true; again; { // both the znode's and its children's watch may have told
			watch, err = c.Watch(ctx, "/watched")
			require.NoError(t, err)
			select {
			case <-watch:
			default:
				again = false
			}
		}
	}
}

package store_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/store"
	"scaleio-framework/scheduler/zookeeper"
	"scaleio-framework/scheduler/zookeeper/zookeepertest"
)

const sessionLength = 10 * time.Second

func options(waiting func(string)) store.ZooKeeperOptions {
	return store.ZooKeeperOptions{Session: sessionLength, Waiting: waiting, Log: slog.New(slog.DiscardHandler)}
}

// small requests, so that 60 records are many.
func small() store.ZooKeeperOptions {
	o := options(nil)
	o.MaxRequest = 20_000
	return o
}

func take(t *testing.T, c *zookeepertest.Client) *store.ZooKeeper {
	t.Helper()
	z, err := store.TakeOver(context.WithoutCancel(t.Context()), c, "/scaleio/state", zookeeper.OpenACL(), options(nil))
	require.NoError(t, err)
	return z
}

func put(key, value string, revision uint64) store.Change {
	return store.Change{Key: key, Value: []byte(value), Revision: revision}
}

func TestZooKeeper_aSecondSchedulerWaitsForTheFirstOnesSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ensemble := zookeepertest.New()
		one, two := ensemble.Client(sessionLength), ensemble.Client(sessionLength)
		first := take(t, one)
		require.NoError(t, first.Commit(t.Context(), put("cluster", `1`, 0)))
		var why atomic.Value
		taken := make(chan *store.ZooKeeper)
		go func() {
			z, err := store.TakeOver(t.Context(), two, "/scaleio/state", zookeeper.OpenACL(), options(func(reason string) { why.Store(reason) }))
			assert.NoError(t, err)
			taken <- z
		}()
		time.Sleep(time.Minute)
		require.Contains(t, why.Load(), "standby: the scheduler on ")
		require.NoError(t, first.Held())

		one.Cut(true) // the first goes on believing for two thirds of a session
		time.Sleep(sessionLength*2/3 + sessionLength/4)
		require.ErrorIs(t, first.Held(), store.ErrLost)
		require.ErrorIs(t, first.Keep(t.Context()), store.ErrLost)
		one.Expire()
		began := time.Now()
		second := <-taken
		assert.LessOrEqual(t, time.Since(began), time.Second)
		one.Cut(false)
		require.ErrorIs(t, first.Commit(t.Context(), put("cluster", `2`, 1)), store.ErrLost)
		require.NoError(t, second.Commit(t.Context(), put("cluster", `3`, 1)))
		rec, err := second.Get(t.Context(), "cluster")
		require.NoError(t, err)
		assert.Equal(t, `3`, string(rec.Value))
		require.NoError(t, second.Close())
		require.NoError(t, first.Close())
	})
}

// The first one slept through everything: its own clock says nothing is wrong, and its write is under way already.
func TestZooKeeper_aFormerHolderCanNotWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ensemble := zookeepertest.New()
		one, two := ensemble.Client(sessionLength), ensemble.Client(sessionLength)
		first := take(t, one)
		defer first.Close()
		require.NoError(t, first.Commit(t.Context(), put("cluster", `1`, 0)))
		one.Fault(func(call string) zookeepertest.Answer {
			if call == "multi" { // and now two takes over, in the middle of one's call
				one.Fault(nil)
				one.Expire()
				second := take(t, two)
				t.Cleanup(func() { _ = second.Close() })
			}
			return zookeepertest.Given
		})
		require.ErrorIs(t, first.Commit(t.Context(), put("cluster", `2`, 1)), store.ErrLost)
		require.ErrorIs(t, first.Held(), store.ErrLost)
		assert.Contains(t, ensemble.Data()["/scaleio/state/records/cluster"], `"data":1`)
	})
}

// With a new session of its own the first could make a lock like the old one; the term is another.
func TestZooKeeper_losesItsSession_andStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := zookeepertest.New().Client(sessionLength)
		z := take(t, client)
		defer z.Close()
		client.Expire()
		require.ErrorIs(t, z.Keep(t.Context()), store.ErrLost)
		require.ErrorIs(t, z.Commit(t.Context(), put("cluster", `1`, 0)), store.ErrLost)
		_, err := z.List(t.Context(), "")
		require.ErrorIs(t, err, store.ErrLost)
	})
}

func TestZooKeeper_aLostAnswerIsNoLostCommit(t *testing.T) {
	for name, fate := range map[string]zookeepertest.Answer{"done": zookeepertest.Lost, "not sent": zookeepertest.Never} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := zookeepertest.New().Client(sessionLength)
				z := take(t, client)
				defer z.Close()
				step := func(changes ...store.Change) {
					var once atomic.Bool
					client.Fault(func(call string) zookeepertest.Answer {
						if call == "multi" && once.CompareAndSwap(false, true) {
							return fate
						}
						return zookeepertest.Given
					})
					require.NoError(t, z.Commit(t.Context(), changes...))
					require.True(t, once.Load())
				}
				step(put("nodes/a", `1`, 0), put("nodes/b", `1`, 0))
				step(put("nodes/a", `2`, 1), put("nodes/b", `2`, 1))
				step(store.Change{Key: "nodes/b", Revision: 2})
				all, err := z.List(t.Context(), "")
				require.NoError(t, err)
				require.Len(t, all, 1)
				assert.EqualValues(t, 2, all[0].Revision)
			})
		})
	}
}

func TestZooKeeper_waitsForASlowEnsemble_andStopsWithASilentOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := zookeepertest.New().Client(sessionLength)
		z := take(t, client)
		defer z.Close()
		var slow atomic.Bool
		slow.Store(true)
		client.Fault(func(call string) zookeepertest.Answer {
			if call == "multi" && slow.Load() {
				return zookeepertest.Never
			}
			return zookeepertest.Given
		})
		time.AfterFunc(2*sessionLength, func() { slow.Store(false) })
		require.NoError(t, z.Commit(t.Context(), put("cluster", `1`, 0)), "the session lives: two of its lengths are waited")
		slow.Store(true)
		began := time.Now()
		require.ErrorIs(t, z.Commit(t.Context(), put("cluster", `2`, 1)), zookeeper.ErrUnknown)
		assert.LessOrEqual(t, time.Since(began), 31*time.Second)
		slow.Store(false)
		require.Error(t, z.Commit(t.Context(), put("cluster", `2`, 1)), "whether it was stored isn't known: nothing goes on")

		client.Cut(true)
		began = time.Now()
		require.ErrorIs(t, z.Keep(t.Context()), store.ErrLost)
		assert.Less(t, time.Since(began), sessionLength)
	})
}

// A commit larger than a request, cut at each of its writes: the next holder finds all of it or nothing.
func TestZooKeeper_largeCommitsAreAllOrNothing(t *testing.T) {
	large := func(revision uint64) (changes []store.Change) {
		for i := range 60 {
			value := fmt.Sprintf(`"%d %s"`, revision, strings.Repeat("x", 500+i))
			changes = append(changes, put(fmt.Sprintf("reports/%02d", i), value, revision))
		}
		return append(changes, put("cluster", fmt.Sprint(revision), revision))
	}
	whole, none := 0, 0
	for cut := 1; ; cut++ {
		for _, fate := range []zookeepertest.Answer{zookeepertest.Lost, zookeepertest.Never} {
			ended := false
			synctest.Test(t, func(t *testing.T) {
				ensemble := zookeepertest.New()
				client := ensemble.Client(sessionLength)
				z, err := store.TakeOver(t.Context(), client, "/scaleio/state", zookeeper.OpenACL(), small())
				require.NoError(t, err)
				require.NoError(t, z.Commit(t.Context(), large(0)...))
				writes := 0
				client.Fault(func(call string) zookeepertest.Answer {
					if call != "multi" {
						return zookeepertest.Given
					}
					if writes++; writes == cut {
						return fate
					} else if writes > cut {
						return zookeepertest.Never
					}
					return zookeepertest.Given
				})
				err = z.Commit(t.Context(), large(1)...)
				ended = err == nil && writes < cut
				client.Fault(nil)
				require.NoError(t, z.Close())

				next := take(t, ensemble.Client(sessionLength))
				defer next.Close()
				all, err := next.List(t.Context(), "")
				require.NoError(t, err)
				require.Len(t, all, 61)
				for _, rec := range all {
					require.Equal(t, all[0].Revision, rec.Revision, "cut at write %d", cut)
				}
				if all[0].Revision == 2 {
					whole++
				} else {
					none++
				}
				for name := range ensemble.Data() {
					require.NotContains(t, name, "/journal/")
				}
			})
			if ended {
				assert.Greater(t, none, 3)
				assert.Greater(t, whole, 3)
				return
			}
		}
	}
}

func TestZooKeeper_refusesWhatAnotherHandChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ensemble := zookeepertest.New()
		z := take(t, ensemble.Client(sessionLength))
		defer z.Close()
		require.NoError(t, z.Commit(t.Context(), put("cluster", `1`, 0), put("nodes/a", `1`, 0)))
		ensemble.Put("/scaleio/state/records/cluster", []byte(ensemble.Data()["/scaleio/state/records/cluster"]))
		_, err := z.Get(t.Context(), "cluster")
		require.ErrorIs(t, err, store.ErrCorrupt)
		ensemble.Put("/scaleio/state/records/nodes/a", fmt.Appendf(nil, `{"schema":%d,"rev":2,"crc":0,"data":{}}`, store.Schema+1))
		_, err = z.List(t.Context(), "nodes/")
		require.ErrorIs(t, err, store.ErrNewer)
	})
}

func TestZooKeeper_refusesOtherProtection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ensemble := zookeepertest.New()
		require.NoError(t, take(t, ensemble.Client(sessionLength)).Close())
		_, err := store.TakeOver(t.Context(), ensemble.Client(sessionLength), "/scaleio/state", zookeeper.DigestACL("u", "p"), options(nil))
		require.ErrorIs(t, err, store.ErrOpen)
	})
}

// The root is often made by hand, and open: whoever may remove what is directly below it takes the lock away.
func TestZooKeeper_refusesARootThatIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ensemble, acl := zookeepertest.New(), zookeeper.DigestACL("u", "p")
		byHand := ensemble.Client(sessionLength)
		for _, path := range []string{"/scaleio", "/scaleio/state"} {
			require.NoError(t, byHand.Multi(t.Context(), zookeeper.Op{Kind: zookeeper.Create, Path: path, ACL: zookeeper.OpenACL()}))
		}
		_, err := store.TakeOver(t.Context(), ensemble.Client(sessionLength), "/scaleio/state", acl, options(nil))
		require.ErrorIs(t, err, store.ErrOpen)
		assert.ErrorContains(t, err, "/scaleio/state has another ACL")

		z, err := store.TakeOver(t.Context(), zookeepertest.New().Client(sessionLength), "/scaleio/state", acl, options(nil))
		require.NoError(t, err, "what is above the root is anybody's")
		require.NoError(t, z.Close())
	})
}

// A lock that ends with no session is nobody's: it isn't ours either, and people are told.
func TestZooKeeper_aLockOfNobodyIsForAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ensemble := zookeepertest.New()
		require.NoError(t, take(t, ensemble.Client(sessionLength)).Close())
		ensemble.Put("/scaleio/state/lock", []byte(`{"host":"nobody"}`))
		for _, client := range []zookeeper.Client{ensemble.Client(sessionLength), sessionless{ensemble.Client(sessionLength)}} {
			var told []string
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, err := store.TakeOver(ctx, client, "/scaleio/state", zookeeper.OpenACL(), options(func(why string) { told = append(told, why) }))
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Regexp(t, "is no scheduler's lock|no session", told[0])
		}
		ensemble.Put("/scaleio/state/lock", nil)
		require.NoError(t, take(t, ensemble.Client(sessionLength)).Close())
	})
}

// sessionless is a client whose session has just ended.
type sessionless struct{ zookeeper.Client }

func (s sessionless) Session() zookeeper.Session { return zookeeper.Session{Length: sessionLength} }

func TestZooKeeper_keysAreAnyText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := take(t, zookeepertest.New().Client(sessionLength))
		defer z.Close()
		keys := []string{"%2E", ".", "..", "a b/ü/%", "nodes/", "nodes/.", "nodes/a/b", "nodes/x\x00\n", "nodesx"}
		for _, key := range keys {
			require.NoError(t, z.Commit(t.Context(), put(key, `1`, 0)), key)
			_, err := z.Get(t.Context(), key)
			require.NoError(t, err, key)
		}
		all, err := z.List(t.Context(), "")
		require.NoError(t, err)
		var found []string
		for _, rec := range all {
			found = append(found, rec.Key)
		}
		assert.Equal(t, keys, found)
		all, err = z.List(t.Context(), "nodes/")
		require.NoError(t, err)
		assert.Len(t, all, 4)
	})
}

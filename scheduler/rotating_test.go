package scheduler_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/store"
	"scaleio-framework/scheduler/trust"
)

func (b *bench) ca() []string {
	b.t.Helper()
	text, err := os.ReadFile(b.options.CAFile)
	require.NoError(b.t, err)
	return fingerprints(string(text))
}

func (b *bench) rotate(wish api.CAWish, behind ...string) error {
	_, err := b.people("operate").RotateCA(b.t.Context(), api.CARequest{Wish: wish, Author: "me", LeaveBehind: behind})
	return err
}

// ended: a rotation that waits for nobody.
func ended(s api.ClusterStatus) bool {
	return s.CA != nil && s.CA.Left == 0 && s.CA.Nodes == 5 && s.CA.Serves
}

func TestCluster_rotatesItsCA(t *testing.T) {
	b := newBench(t)
	b.start()
	before := b.end(b.until("ready", ready))
	old := b.ca()
	require.Error(t, b.rotate(api.CAFinish), "there is none")
	var refused *api.Error
	_, err := b.people("read").RotateCA(t.Context(), api.CARequest{Wish: api.CARotate, Author: "me"})
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, api.CodeForbidden, refused.Code)

	require.NoError(t, b.rotate(api.CARotate))
	require.Error(t, b.rotate(api.CARotate), "one at a time")
	both := b.ca()
	require.Len(t, both, 2)
	assert.Equal(t, old[0], both[0])
	require.NoError(t, b.halt())
	b.start()
	s := b.until("all follow", ended)
	assert.Empty(t, s.CA.Names)
	require.NoError(t, b.rotate(api.CAFinish))
	assert.Equal(t, both[1:], b.ca())
	for _, n := range b.nodes {
		require.Eventually(t, func() bool {
			n.mu.Lock()
			defer n.mu.Unlock()
			return len(fingerprints(n.trusted())) == 1 && fingerprints(n.trusted())[0] == both[1]
		}, 10*time.Second, 5*time.Millisecond, "%s trusts the new one alone", n.id)
	}
	require.NoError(t, b.halt())
	b.start()
	s = b.until("ready under the new CA", func(s api.ClusterStatus) bool { return ready(s) && s.CA == nil })
	assert.Equal(t, before, b.end(s))
	assert.Equal(t, 5, b.mesos.count(), "nothing was launched")
	require.NoError(t, b.rotate(api.CARotate), "and again")
	b.until("all follow again", ended)
}

// A node that is off keeps the old CA in force until a person leaves it behind; then it joins by its next task, with the key that it has.
func TestCluster_rotationWaitsForWhoIsOff(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	off := b.nodes[4]
	off.kill()
	require.NoError(t, b.rotate(api.CARotate))
	s := b.until("the others follow", func(s api.ClusterStatus) bool { return s.CA != nil && s.CA.Left == 1 })
	assert.Equal(t, []string{"n5"}, s.CA.Names)
	assert.False(t, s.CA.Serves, "it would find nobody whom it trusts")
	assert.ErrorContains(t, b.rotate(api.CAFinish), "[n5]")
	off.place(off.env)
	s = b.until("it follows when it is back", ended)

	other := b.nodes[3]
	other.kill()
	require.NoError(t, b.rotate(api.CAFinish))
	require.NoError(t, b.rotate(api.CARotate))
	b.until("the others follow", func(s api.ClusterStatus) bool { return s.CA != nil && s.CA.Left == 1 })
	require.Error(t, b.rotate(api.CAFinish, "nobody"))
	require.NoError(t, b.rotate(api.CAFinish, "n4"))
	other.place(other.env)
	require.Eventually(t, func() bool {
		var unknown *x509.CertificateInvalidError
		err := other.failure()
		return err != nil && !errors.As(err, &unknown)
	}, 10*time.Second, 5*time.Millisecond, "it trusts nobody any more")
	ca, err := os.ReadFile(b.options.CAFile)
	require.NoError(t, err)
	other.mu.Lock()
	other.cas = string(ca) // as the next task brings it
	other.mu.Unlock()
	b.until("joined again by its key", func(s api.ClusterStatus) bool { return ready(s) && s.CA == nil })
}

func TestCluster_rotationGoesOnWhereverTheSchedulerDies(t *testing.T) {
	for _, point := range []string{"before:authority", "after:authority"} {
		for at := range int32(3) { // made, shown, finished
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				b.start()
				b.until("ready", ready)
				require.NoError(t, b.halt())
				memory, dead := b.options.Store, errors.New("died")
				var count atomic.Int32
				b.options.Store = store.Announced{Store: memory, Reached: func(p string) (err error) {
					if p == point && count.Add(1) == at+1 {
						return dead
					}
					return nil
				}}
				b.start()
				go func() { // revived as often as it dies
					for b.t.Context().Err() == nil {
						b.mu.Lock()
						done := b.done
						b.mu.Unlock()
						select {
						case err := <-done:
							if !errors.Is(err, dead) {
								return
							}
							b.start()
						case <-b.t.Context().Done():
							return
						}
					}
				}()
				b.until("rotated", func(s api.ClusterStatus) bool {
					if s.CA == nil && !hasEvent(s, "CARotation") {
						_ = b.rotate(api.CARotate)
					}
					if !ended(s) {
						return s.CA == nil && hasEvent(s, "CARotated")
					}
					_ = b.rotate(api.CAFinish)
					return false
				})
				b.until("ready", func(s api.ClusterStatus) bool { return ready(s) && s.CA == nil })
				assert.Len(t, b.ca(), 1)
			})
		}
	}
}

// A machine whose configuration names the old CA alone joins while that still counts; it counts no more only when no such token is out.
func TestCluster_rotationCutsOffNobodyWhoIsYetToJoin(t *testing.T) {
	b := newBench(t)
	late := b.nodes[4]
	late.idle = true
	b.start()
	others := func(s api.ClusterStatus) bool { return s.CA != nil && s.CA.Left == 0 && s.CA.Nodes == 4 }
	b.until("ready but for one", func(s api.ClusterStatus) bool { return len(s.Gates) == len(api.Gates) && late.env != nil })
	made, err := b.people("operate").CreateToken(t.Context(), request(2))
	require.NoError(t, err)
	require.NoError(t, b.rotate(api.CARotate))
	after, err := b.people("operate").CreateToken(t.Context(), request(1))
	require.NoError(t, err)
	s := b.until("the others follow", others)
	assert.False(t, s.CA.Serves)
	require.Len(t, s.CA.GivenOut, 2, "%v", s.CA.GivenOut)
	require.ErrorContains(t, b.rotate(api.CAFinish), "task on n5.example token "+made.ID)
	require.NoError(t, b.halt())
	b.start()

	ignitedNode := ignited(newNode(6, b.scaleio), made)
	t.Cleanup(ignitedNode.kill)
	ignitedNode.place(ignitedNode.env)
	b.until("it joins by the old CA", func(s api.ClusterStatus) bool {
		return line(s, "n6").Role == api.RoleData && s.CA.Nodes == 5 && s.CA.Left == 0
	})
	late.mu.Lock()
	late.idle = false
	late.mu.Unlock()
	late.place(late.env)
	s = b.until("so does the task's", func(s api.ClusterStatus) bool { return line(s, "n5").Ready && s.CA.Left == 0 && s.CA.Nodes == 6 })
	assert.Equal(t, []string{"token " + made.ID}, s.CA.GivenOut)
	assert.False(t, s.CA.Serves)
	require.NoError(t, b.people("operate").RevokeToken(t.Context(), api.TokenRevocation{ID: made.ID, Author: "me"}))
	b.until("nobody is left", func(s api.ClusterStatus) bool { return s.CA.Serves && len(s.CA.GivenOut) == 0 })
	require.NoError(t, b.rotate(api.CAFinish))
	last := ignited(newNode(7, b.scaleio), after)
	t.Cleanup(last.kill)
	last.place(last.env)
	b.until("a token of the rotation itself names both", func(s api.ClusterStatus) bool { return line(s, "n7").Role == api.RoleData })
}

// Agents that know nothing of rotations don't follow, and are waited for.
func TestCluster_rotationWaitsForOlderAgents(t *testing.T) {
	b := newBench(t)
	b.nodes[2].deaf = true
	b.start()
	b.until("ready", ready)
	require.NoError(t, b.rotate(api.CARotate))
	s := b.until("the others follow", func(s api.ClusterStatus) bool { return s.CA != nil && s.CA.Left == 1 })
	assert.Equal(t, []string{"n3"}, s.CA.Names)
	require.Error(t, b.rotate(api.CAFinish))
	assert.True(t, s.Ready)
}

// A node whose certificate isn't good any more is known by its key, without a token; nobody else is.
func TestJoin_aKnownKeyNeedsNoToken(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	n := b.nodes[3]
	join := func(as, with *node) error {
		c, err := as.anonymous()
		require.NoError(t, err)
		defer c.Close()
		answer, err := c.Join(context.Background(), api.JoinRequest{Node: as.identity(), CSR: with.csr()})
		if err == nil {
			assert.NotEmpty(t, answer.Certificate)
		}
		return err
	}
	require.NoError(t, join(n, n))
	var refused *api.Error
	require.ErrorAs(t, join(n, b.nodes[4]), &refused, "another node's key")
	assert.Equal(t, api.CodeUnauthorized, refused.Code)
	foreign := newNode(4, b.scaleio)
	foreign.env = n.env
	require.Error(t, join(foreign, foreign), "a key that nobody knows")
	s := b.until("nothing came of it", func(s api.ClusterStatus) bool { return line(s, "n4").Ready })
	assert.False(t, hasEvent(s, api.ConditionIdentityConflict), "who has no token can't put a node out")
	require.NoError(t, b.people("operate").Release(t.Context(), api.ReleaseRequest{What: api.ReleaseIdentity, Node: "n4"}))
	require.Error(t, join(n, n), "an operator took the key's word away")
}

// A node that was off for longer than its certificate lives comes back by its key, over the real TLS; with a foreign key it doesn't.
func TestCluster_expiredNodeComesBackByItsKey(t *testing.T) {
	b := newBench(t)
	b.start()
	b.until("ready", ready)
	rec, err := b.options.Store.Get(t.Context(), "authority")
	require.NoError(t, err)
	var keys trust.Record
	require.NoError(t, json.Unmarshal(rec.Value, &keys))
	ca, err := keys.Open()
	require.NoError(t, err)
	expired := func(n *node, key *ecdsa.PrivateKey) {
		n.kill()
		request, err := trust.ParseRequest(requestFor(key))
		require.NoError(t, err)
		old, err := ca.Node(n.id, request, time.Now().Add(-2*trust.CertificateLife))
		require.NoError(t, err)
		n.mu.Lock()
		n.key, n.link, n.refused = key, nil, nil // its daemon is dead
		n.env = maps.Clone(n.env)
		n.env[api.EnvToken] = ""
		n.mu.Unlock()
		n.certified(api.JoinAnswer{Certificate: old})
		n.place(n.env)
	}
	n := b.nodes[3]
	expired(n, n.key)
	b.until("back", func(s api.ClusterStatus) bool {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.cert == nil || n.refused != nil || !ready(s) {
			return false
		}
		leaf, err := x509.ParseCertificate(n.cert.Certificate[0])
		return err == nil && leaf.NotAfter.After(time.Now())
	})
	other := b.nodes[4]
	expired(other, newKey(t))
	require.Eventually(t, func() bool {
		var refused *api.Error
		return errors.As(other.failure(), &refused) && refused.Code == api.CodeUnauthorized
	}, 10*time.Second, 5*time.Millisecond)
}

// The copy beside the store is what a damaged one is replaced by: with the former CA in it nobody would listen.
func TestCluster_theCopyHasTheCAThatNodesTrust(t *testing.T) {
	b := newBench(t)
	b.options.CopyFile = filepath.Join(t.TempDir(), "previous.backup")
	b.start()
	b.until("ready", ready)
	upToDate := func() bool {
		f, err := os.Open(b.options.CopyFile)
		if err != nil {
			return false
		}
		defer f.Close()
		copied, err := store.ReadBackup(f)
		if err != nil {
			return false
		}
		rec, err := b.options.Store.Get(t.Context(), "authority")
		require.NoError(t, err)
		return slices.ContainsFunc(copied.Records, func(r store.Record) bool { return r.Key == rec.Key && r.Revision == rec.Revision })
	}
	require.Eventually(t, upToDate, 10*time.Second, 5*time.Millisecond)
	require.NoError(t, b.rotate(api.CARotate))
	require.Eventually(t, upToDate, 10*time.Second, 5*time.Millisecond, "rotated")
	b.until("all follow", ended)
	require.NoError(t, b.rotate(api.CAFinish))
	require.Eventually(t, upToDate, 10*time.Second, 5*time.Millisecond, "finished")
}

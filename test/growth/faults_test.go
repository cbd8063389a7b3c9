package growth_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	cloud "scaleio-framework/test/aws"
)

// lives brings an expansion to its end in a cloud that something befalls, and looks what is left.
func lives(t *testing.T, more int, tune func(*scheduler.Options, *cloud.Config), befalls func(*site), ends func(*site), machineID ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, newGaps(), tune)
		defer s.close()
		for i, n := range s.nodes {
			for _, id := range machineID {
				n.id = fmt.Sprintf("%s%d", id, i)
			}
		}
		for i := range more {
			s.join(4+i, 1+i)
		}
		s.formed()
		befalls(s)
		quiet := 0
		s.until("settled", 2*time.Second, 2000, func() bool {
			quiet++
			if s.count("GrowthStarted") == 0 || !s.idle() {
				quiet = 0
			}
			return quiet > 60
		})
		ends(s)
		s.nothingLeaks()
		if t.Failed() {
			t.Log(s.story())
		}
	})
}

func asIs(*scheduler.Options, *cloud.Config) {}

// idle: no order is open.
func (s *site) idle() bool {
	for _, n := range s.nodes {
		if n.spec == nil || n.spec.Growth != nil && len(n.spec.Growth.Orders) > 0 || len(n.spec.Claims) > 0 {
			return false
		}
	}
	return s.count("GrowthStarted") == s.count("GrowthEnded")
}

// nothingLeaks: what is paid for is in the pool, or told of with its cost.
func (s *site) nothingLeaks() {
	var story api.EventList
	require.NoError(s.t, s.get(api.PathEvents, &story))
	told := map[string]bool{}
	for _, e := range story.Events {
		if (e.Kind == "GrowthVolumeKept" || e.Kind == "GrowthOrphan") && e.Cost > 0 {
			told[e.Message[:len("vol-0123456789abcdef0")]] = true
		}
	}
	for _, v := range s.ours() {
		assert.True(s.t, s.inPool(v) || told[v.ID], "%s is paid for, not in the pool, and nobody was told", v.ID)
	}
	assert.Empty(s.t, s.storage.twice)
}

// pooled counts volumes in the pool.
func (s *site) pooled() (count int) {
	for _, v := range s.ours() {
		if s.inPool(v) {
			count++
		}
	}
	return count
}

// What one node can't have, the expansion doesn't have: with three fault units it ends smaller, and says so.
func TestFault_aNodeThatCantBuy(t *testing.T) {
	for name, fault := range map[string]cloud.Fault{
		"no capacity in its zone":   {Action: "CreateVolume", Times: -1, Code: "InsufficientVolumeCapacity"},
		"its role may not":          {Action: "CreateVolume", Times: -1, Code: "UnauthorizedOperation"},
		"it may not even look":      {Action: "DescribeVolumes", Times: -1, Code: "UnauthorizedOperation"},
		"it takes no more volumes":  {Action: "AttachVolume", Times: -1, Code: "AttachmentLimitExceeded"},
		"its attachments get stuck": {Action: "AttachVolume", Times: -1, Stuck: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lives(t, 0, asIs, func(s *site) {
				fault.Instance = s.nodes[1].instance.ID
				s.ec2.Inject(fault)
			}, func(s *site) {
				assert.Equal(s.t, 2, s.pooled())
				assert.Equal(s.t, 1, s.count("GrowthEnded"))
				if !fault.Stuck { // one that is stuck can be neither detached nor deleted
					assert.Len(s.t, s.ours(), 2, "what was bought for it and never handed over is deleted")
				}
			})
		})
	}
}

// With a second node in each zone, that one takes the part.
func TestFault_anotherNodeTakesThePart(t *testing.T) {
	lives(t, 3, asIs, func(s *site) {
		s.ec2.Inject(cloud.Fault{Action: "CreateVolume", Code: "InsufficientVolumeCapacity"}) // whoever asks first
	}, func(s *site) {
		assert.Equal(s.t, 1, s.count("GrowthReplanned"))
		assert.Equal(s.t, 3, s.pooled())
		zones := map[string]bool{}
		for _, v := range s.ours() {
			zones[v.Zone] = true
		}
		assert.Len(s.t, zones, 3)
	})
}

// Storms pass: nothing is lost, and nothing is bought twice.
func TestFault_storms(t *testing.T) {
	for name, fault := range map[string]cloud.Fault{
		"throttled":                   {Times: 20, Code: "RequestLimitExceeded"},
		"unavailable":                 {Times: 40, Code: "ServiceUnavailable"},
		"done, then unavailable":      {Action: "CreateVolume", Times: 3, After: true, Code: "InternalError"},
		"attached, then unavailable":  {Action: "AttachVolume", Times: 3, After: true, Code: "InternalError"},
		"a limit, though it was made": {Action: "CreateVolume", Times: 3, After: true, Code: "VolumeLimitExceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lives(t, 0, asIs, func(s *site) { s.ec2.Inject(fault) }, func(s *site) {
				assert.Equal(s.t, 3, s.pooled())
				assert.Len(s.t, s.ours(), 3)
			})
		})
	}
}

// Reads lag and jump: an expansion is what it is, and each volume is bought once.
func TestFault_readsLag(t *testing.T) {
	lives(t, 0, func(_ *scheduler.Options, c *cloud.Config) { c.Reads = cloud.Reads{Lag: 20 * time.Second, Jumpy: true} }, func(*site) {}, func(s *site) {
		assert.Equal(s.t, 3, s.pooled())
		assert.Len(s.t, s.ours(), 3)
	})
}

// Reads lag for longer than they ever should: what EC2 doesn't show isn't bought again. The client token tells that it is there.
func TestFault_readsLagForLong(t *testing.T) {
	lives(t, 0, func(_ *scheduler.Options, c *cloud.Config) { c.Reads = cloud.Reads{Lag: 90 * time.Second} }, func(*site) {}, func(s *site) {
		assert.Equal(s.t, 3, s.pooled())
		assert.Len(s.t, s.ours(), 3)
		assert.Zero(s.t, s.count("GrowthAttempt"))
		assert.Zero(s.t, s.count("GrowthOrphan"))
	})
}

// A node whose first start knew no instance keeps its machine-id as identity, and grows as the instance that it verified since.
func TestExpansion_nodesKnownByTheirMachineID(t *testing.T) {
	lives(t, 0, asIs, func(s *site) {}, func(s *site) { assert.Equal(s.t, 3, s.pooled()) }, "4d0ae65b1e4f4cf0a8a1c3d7e8b9f01")
}

// A key that may not be used makes volumes vanish: three attempts, and then nothing is left and nothing is paid.
func TestFault_aKeyThatMayNotBeUsed(t *testing.T) {
	lives(t, 0, func(o *scheduler.Options, c *cloud.Config) {
		o.Settings.Growth.Volume.Encrypted, o.Settings.Growth.Volume.KMSKey = true, "alias/no"
		c.BadKMSKeys = []string{"alias/no"}
	}, func(*site) {}, func(s *site) {
		assert.Zero(s.t, s.pooled())
		assert.Empty(s.t, s.ours())
		assert.Equal(s.t, 6, s.count("GrowthAttempt"), "two more attempts of each of three orders")
	})
}

// A node that is cut off from the scheduler with an order in its hands buys nothing late: another may have its part.
func TestFault_cutOff(t *testing.T) {
	lives(t, 0, asIs, func(s *site) {
		n := s.nodes[1]
		s.ec2.Inject(cloud.Fault{Action: "CreateVolume", Times: -1, Code: "RequestLimitExceeded", Instance: n.instance.ID})
		s.until("ordered", time.Second, 300, func() bool { return n.spec != nil && n.spec.Growth != nil && len(n.spec.Growth.Orders) > 0 })
		n.deaf = true
		for range 60 {
			s.round(2 * time.Second)
		}
		s.ec2.Heal()
		for range 400 {
			s.round(2 * time.Second)
		}
		assert.Equal(s.t, 2, s.pooled())
		assert.Len(s.t, s.ours(), 2, "the order is old")
		n.deaf = false
	}, func(s *site) {
		assert.Equal(s.t, 2, s.pooled())
		assert.Len(s.t, s.ours(), 2)
	})
}

// Without the right to delete, what was given up is kept, and told of with what it costs.
func TestFault_keptIsTold(t *testing.T) {
	lives(t, 0, func(o *scheduler.Options, _ *cloud.Config) { o.Settings.Growth.Node.CleanupFile = "" }, func(s *site) {
		s.ec2.Inject(cloud.Fault{Action: "AttachVolume", Times: -1, Code: "AttachmentLimitExceeded", Instance: s.nodes[1].instance.ID})
	}, func(s *site) {
		assert.Equal(s.t, 2, s.pooled())
		assert.Len(s.t, s.ours(), 3)
		assert.Equal(s.t, 1, s.count("GrowthVolumeKept"))
	})
}

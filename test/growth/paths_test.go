package growth_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/api"
	cloud "scaleio-framework/test/aws"
)

// A path that an expansion takes when something of it can't be had.
type path struct {
	more    int                                     // nodes beside the three
	pause   time.Duration                           // between rounds; 0 = a second
	tune    func(*scheduler.Options, *cloud.Config) // nil = as it is
	befalls func(*site)                             // before the expansion begins
	goesOn  func(*site)                             // between any two rounds of it
	volumes int                                     // that are there in the end, all of them in the pool
	told    string                                  // the event that shows that the path was taken
	parts   []string                                // gaps that are its own
}

var paths = map[string]path{
	// n2 gets no volume, and the other node of its zone takes its part.
	"replaced": {more: 3, befalls: func(s *site) {
		s.ec2.Inject(cloud.Fault{Action: "CreateVolume", Times: -1, Code: "InsufficientVolumeCapacity", Instance: s.nodes[1].instance.ID})
	}, volumes: 3, told: "GrowthReplanned", parts: []string{"n5: EC2 CreateVolume", "n5: EC2 AttachVolume", "n5: inspect-disk"}},

	// n2's volume is attached and no device of it comes: the order is given up, and what was bought is detached and deleted.
	"given up": {pause: 5 * time.Second, befalls: func(s *site) { s.nodes[1].blind = true }, volumes: 2, told: "GrowthVolumeDeleted",
		parts: []string{"n2: EC2 DetachVolume", "n2: EC2 DeleteVolume"}},

	// n3 isn't heard from the moment when it bought: a listing of the cluster's volumes finds what it bought, by the tags, and the ledger adopts it.
	"adopted": {goesOn: (*site).losesBuyer, volumes: 3, told: "GrowthVolumeFound", parts: []string{"n3: EC2 CreateVolume", "n3: EC2 AttachVolume"}},
}

// losesBuyer: n3 isn't heard as soon as it bought, until another leader has listed the volumes and the ledger has found it.
func (s *site) losesBuyer() {
	n := s.nodes[2]
	if n.deaf = false; s.count("GrowthVolumeFound") > 0 {
		return
	}
	for _, v := range s.ours() {
		if v.Tags[api.TagNode] != n.instance.ID {
			continue
		}
		n.deaf = true
		for _, leader := range s.nodes { // reads lag, and a listing that follows another at once isn't looked at
			if time.Since(v.Created) > 15*time.Second && time.Since(leader.listed) > 15*time.Second {
				leader.listed = time.Time{}
			}
		}
	}
}

// run it with one gap hit, and say how many it has from when the expansion is decided.
func (p path) run(t *testing.T, at int, how how) (gaps int, names []string) {
	synctest.Test(t, func(t *testing.T) {
		tune := p.tune
		if tune == nil {
			tune = asIs
		}
		g := newGaps()
		s := newSite(t, g, tune)
		defer s.close()
		for i := range p.more {
			s.join(4+i, 1+i)
		}
		s.formed()
		if p.befalls != nil {
			p.befalls(s)
		}
		for range 28 { // no decision rests on less than half a minute
			s.round(time.Second)
		}
		require.Zero(t, s.count("GrowthStarted"), s.story())
		g.arm(at, how)
		settled := 0
		s.until("settled", max(p.pause, time.Second), 3000, func() bool {
			if p.goesOn != nil {
				p.goesOn(s)
			}
			if s.settled() {
				if settled++; gaps == 0 {
					gaps, names = g.count, g.names
				}
			} else {
				settled = 0
			}
			return settled > 15
		})
		if how == never {
			assert.NotZero(t, s.count(p.told), "the path wasn't taken")
			for _, part := range p.parts {
				assert.True(t, contains(names, part), "no gap like %q", part)
			}
		}
		s.nothingIsLost(p.volumes)
	})
	return gaps, names
}

// nothingIsLost: so many volumes are there, each once in the pool; what was taken away never was in it.
func (s *site) nothingIsLost(volumes int) {
	t := s.t
	t.Helper()
	ours, zones := s.ours(), map[string]bool{}
	for _, v := range ours {
		assert.True(t, s.inPool(v), "%s is paid for and not in the pool", v.ID)
		zones[v.Zone] = true
	}
	assert.Len(t, ours, volumes)
	assert.Len(t, zones, volumes, "one for each fault unit")
	devices := s.storage.devices()
	assert.Len(t, devices, len(s.nodes)+volumes)
	for name, count := range devices {
		assert.Equal(t, 1, count, name)
	}
	assert.Empty(t, s.storage.twice)
	for _, call := range s.ec2.Calls() {
		if call.Action == "DetachVolume" || call.Action == "DeleteVolume" {
			assert.False(t, s.inPool(cloud.Volume{ID: call.Params.Get("VolumeId")}), "%s of what the pool has", call.Action)
		}
	}
	if t.Failed() {
		t.Log(s.gaps.where() + "\n" + s.story())
	}
}

// Whoever dies at whatever point of it, or whichever answer is lost: what an expansion can't have it replaces or gives up, what it lost sight of it finds, and in the end
// nothing is bought twice, left over, or taken away from the pool. Here a sample of the gaps: those of EC2 and of the ledger, each once on whatever node.
func TestExpansion_everyGapOfEveryPath(t *testing.T) {
	for name, p := range paths {
		t.Run(name, func(t *testing.T) {
			total, names := p.run(t, 0, never)
			require.Greater(t, total, 40)
			t.Logf("%d gaps", total)
			tried, hows := map[string]bool{}, []how{dieBefore, dieAfter, answerLost, requestLost}
			if !*everyGap {
				hows = []how{dieAfter, answerLost}
			}
			for at := 1; at <= total; at++ {
				_, kind, _ := strings.Cut(names[at-1], ": ")
				sampled := strings.HasPrefix(kind, "EC2 ") || strings.HasPrefix(kind, "commit expansions")
				if !*everyGap && (raced || !sampled || tried[kind]) {
					continue
				}
				tried[kind] = true
				for _, how := range hows {
					t.Run(fmt.Sprintf("%d %s, %s", at, names[at-1], how), func(t *testing.T) {
						t.Parallel()
						p.run(t, at, how)
					})
				}
			}
		})
	}
}

package growth_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	cloud "scaleio-framework/test/aws"
)

var everyGap = flag.Bool("all", false, "hit every gap, not only the first of its kind on each node: two minutes of a core")

// expansion runs one from a full pool until nothing is left to do, with one gap of it hit, and says how many gaps it had from when it was decided.
func expansion(t *testing.T, at int, how how) (gaps int, names []string) {
	synctest.Test(t, func(t *testing.T) {
		g := newGaps()
		s := newSite(t, g)
		defer s.close()
		s.formed()
		for range 28 { // no decision rests on less than half a minute
			s.round(time.Second)
		}
		require.Zero(t, s.count("GrowthStarted"), s.story())
		g.arm(at, how)
		settled := 0
		s.until("settled", time.Second, 3000, func() bool { // and stays so: whatever a lost answer left behind has shown itself by then
			if s.settled() {
				if settled++; gaps == 0 {
					gaps, names = g.count, g.names
				}
			} else {
				settled = 0
			}
			return settled > 30
		})
		s.right()
	})
	return gaps, names
}

// settled: an expansion has ended, and nothing of it is open.
func (s *site) settled() bool {
	for _, n := range s.nodes {
		if n.spec == nil || n.spec.Growth != nil && len(n.spec.Growth.Orders) > 0 || len(n.spec.Claims) > 0 {
			return false
		}
	}
	return s.count("GrowthEnded") == 1
}

// count events of a kind.
func (s *site) count(kind string) (count int) {
	var list api.EventList
	if err := s.get(api.PathEvents, &list); err != nil {
		return -1
	}
	for _, e := range list.Events {
		if e.Kind == kind {
			count++
		}
	}
	return count
}

// right: exactly the planned volumes, each once in the pool, on its node; nothing else is paid for, nothing was taken away that may hold data.
func (s *site) right() {
	t := s.t
	t.Helper()
	volumes, perZone := s.ours(), map[string]int{}
	for _, v := range volumes {
		assert.True(t, s.inPool(v), "%s is paid for and not in the pool", v.ID)
		assert.Equal(t, cloud.InUse, v.State)
		perZone[v.Zone]++
	}
	assert.Equal(t, map[string]int{"us-east-1a": 1, "us-east-1b": 1, "us-east-1c": 1}, perZone, "one for each fault unit")
	devices := s.storage.devices()
	assert.Len(t, devices, 6)
	for name, count := range devices {
		assert.Equal(t, 1, count, name)
	}
	assert.Empty(t, s.storage.twice)
	for _, call := range s.ec2.Calls() {
		assert.NotContains(t, []string{"DetachVolume", "DeleteVolume"}, call.Action, "nobody asked for that")
	}
	if t.Failed() {
		t.Log(s.gaps.where() + "\n" + s.story())
	}
}

// Whoever dies at whatever point, or whichever answer is lost: an expansion ends in exactly the volumes that it planned, all of them in the pool.
func TestExpansion_everyGapOfEveryActor(t *testing.T) {
	total, names := expansion(t, 0, never)
	require.Greater(t, total, 40)
	for _, part := range []string{"scheduler: commit expansions", "n1: EC2 CreateVolume", "n2: EC2 AttachVolume", "n3: inspect-disk", "n1: add device", "n2: write ", "n3: report"} {
		assert.Condition(t, func() bool { return contains(names, part) }, "no gap like %q", part)
	}
	t.Logf("%d gaps", total)
	tried, hows := map[string]bool{}, []how{dieBefore, dieAfter, answerLost, requestLost}
	if raced { // slow: what is done and not known is the harder half
		hows = []how{dieAfter, answerLost}
	}
	for at := 1; at <= total; at++ {
		kind := names[at-1]
		if raced { // each kind once, on whatever node
			_, kind, _ = strings.Cut(kind, ": ")
		}
		if tried[kind] && !*everyGap {
			continue
		}
		tried[kind] = true
		for _, how := range hows {
			t.Run(fmt.Sprintf("%d %s, %s", at, names[at-1], how), func(t *testing.T) {
				t.Parallel()
				expansion(t, at, how)
			})
		}
	}
}

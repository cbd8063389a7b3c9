package mdm

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/wire"
)

// pooled is one pool; each SDS is given as its fault set and the slots of its devices. Devices are named SDS.N, from 0 on.
func pooled(sdss ...sdsSpec) *State {
	s := &State{Pools: []mgmt.Pool{{ID: "pool", Rebuild: true, Rebalance: true}}, Volumes: []Volume{{Volume: mgmt.Volume{ID: "v", Pool: "pool"}}}}
	for i, x := range sdss {
		id := fmt.Sprintf("s%d", i)
		s.SDSs = append(s.SDSs, mgmt.SDS{ID: id, FaultSet: x.faultSet})
		for j, slots := range x.slots {
			s.Devices = append(s.Devices, Device{Device: mgmt.Device{ID: fmt.Sprintf("%s.%d", id, j), SDS: id, Pool: "pool", LimitBytes: wire.DeviceDataOffset + slots*wire.ChunkBytes}})
		}
	}
	return s
}

type sdsSpec struct {
	faultSet string
	slots    []int64
}

func anyDevice(*Device) bool { return true }

// settleMoves ends a move as refill does, were everything reachable.
func settleMoves(t *testing.T, o *office, s *State) {
	t.Helper()
	v := &s.Volumes[0]
	c := find(v.Chunks, func(c *Chunk) bool { return len(c.Copies) > 2 })
	one := Volume{Volume: v.Volume, Chunks: []Chunk{*c}}
	o.filled(s, &one, map[int64]Copy{c.Index: c.Copies[2]}, func(string) bool { return true })
	*c = one.Chunks[0]
	require.Len(t, c.Copies, 2)
	require.Len(t, s.units(c.Copies), 2, "two fault units")
	for _, d := range s.Devices {
		s.free(d.ID, d.Dropped)
	}
}

func testOffice() *office {
	o := &office{node: &Node{opt: Options{RebuildAfter: time.Minute}.withDefaults()}}
	o.sdss = newSDSWatch(o)
	return o
}

// Whatever is added to a pool gets its share, move by move; then there is peace.
func TestBeginMove_evensOut(t *testing.T) {
	for seed := range uint64(10) {
		random := rand.New(rand.NewPCG(seed, 1))
		var sdss []sdsSpec
		for range 3 + random.IntN(4) {
			x := sdsSpec{slots: []int64{400}}
			if random.IntN(2) == 0 {
				x.slots = append(x.slots, 400)
			}
			sdss = append(sdss, x)
		}
		s := pooled(sdss...)
		for i := range int64(100 + random.IntN(100)) {
			require.NoError(t, s.allocate(&s.Volumes[0], i, func(d *Device) bool { return d.SDS != "s0" }))
		}
		o, moves := testOffice(), 0
		for s.beginMove("pool", anyDevice) {
			settleMoves(t, o, s)
			moves++
			require.Less(t, moves, 300, "to and fro")
		}
		least, most := s.Devices[0].used(), s.Devices[0].used()
		for i := range s.Devices {
			least, most = min(least, s.Devices[i].used()), max(most, s.Devices[i].used())
		}
		assert.Less(t, most-least, int64(rebalanceSlack), "seed %d", seed)
	}
}

func TestBeginMove_bySize(t *testing.T) {
	s := pooled(sdsSpec{slots: []int64{1000}}, sdsSpec{slots: []int64{1000}}, sdsSpec{slots: []int64{200}}, sdsSpec{slots: []int64{1000}})
	for i := range int64(200) {
		require.NoError(t, s.allocate(&s.Volumes[0], i, func(d *Device) bool { return d.SDS != "s3" && d.SDS != "s2" }))
	}
	for o := testOffice(); s.beginMove("pool", anyDevice); {
		settleMoves(t, o, s)
	}
	var used []int64
	for i := range s.Devices {
		used = append(used, s.Devices[i].used())
	}
	for i, share := range []int64{125, 125, 25, 125} { // of 400, by size
		assert.InDelta(t, share, used[i], rebalanceSlack, "%v", used)
	}
}

func TestBeginMove_onlyWhereItMay(t *testing.T) {
	fill := func(s *State) *State {
		for i := range int64(20) {
			require.NoError(t, s.allocate(&s.Volumes[0], i, func(d *Device) bool { return d.SDS == "s0" || d.SDS == "s1" }))
		}
		return s
	}
	s := fill(pooled(sdsSpec{"a", []int64{100}}, sdsSpec{"b", []int64{100}}, sdsSpec{"b", []int64{100}}))
	for o := testOffice(); s.beginMove("pool", anyDevice); {
		settleMoves(t, o, s) // fails when both copies come to b
	}
	assert.Equal(t, int64(20), s.Devices[0].used(), "nothing could leave a")

	s = fill(pooled(sdsSpec{slots: []int64{100}}, sdsSpec{slots: []int64{100}}, sdsSpec{slots: []int64{100}}))
	assert.False(t, s.beginMove("pool", func(d *Device) bool { return d.SDS != "s2" }), "the empty one can't be used")
	s.Devices[2].Removing = true
	assert.False(t, s.beginMove("pool", anyDevice), "the empty one is leaving")
	s.Devices[2].Removing, s.Devices[2].LimitBytes = false, wire.DeviceDataOffset
	assert.False(t, s.beginMove("pool", anyDevice), "it has no room")
}

func TestSurplus(t *testing.T) {
	stale := func(p Copy) Copy { p.Stale = true; return p }
	on := func(sds string) Copy { return Copy{SDS: sds, Device: sds + ".0"} }
	moving := func(p Copy, from string) Copy { p.Replaces = from + ".0"; return p }
	for name, row := range map[string]struct {
		copies  []Copy
		untold  string
		away    string // lost for long
		leaving string
		drops   []Copy
	}{
		"healthy":                   {copies: []Copy{on("s0"), on("s1")}},
		"degraded":                  {copies: []Copy{on("s0"), stale(on("s1"))}},
		"rebuilt elsewhere":         {copies: []Copy{on("s0"), stale(on("s1")), on("s2")}, away: "s1", drops: []Copy{stale(on("s1"))}},
		"back before that":          {copies: []Copy{on("s0"), on("s1"), stale(on("s2"))}, drops: []Copy{stale(on("s2"))}},
		"back, both filled":         {copies: []Copy{on("s0"), on("s1"), on("s2")}, drops: []Copy{on("s2")}},
		"device emptied":            {copies: []Copy{on("s0"), on("s1"), on("s2")}, leaving: "s0", drops: []Copy{on("s0")}},
		"device not yet":            {copies: []Copy{on("s0"), on("s1"), stale(on("s2"))}, leaving: "s0"},
		"same fault set":            {copies: []Copy{on("s2"), on("s3")}},
		"third in the same set":     {copies: []Copy{on("s2"), on("s3"), on("s0")}, drops: []Copy{on("s3")}},
		"moved":                     {copies: []Copy{on("s0"), on("s1"), moving(on("s2"), "s0")}, drops: []Copy{on("s0")}},
		"moving":                    {copies: []Copy{on("s0"), on("s1"), moving(stale(on("s2")), "s0")}},
		"moving to one that's lost": {copies: []Copy{on("s0"), on("s1"), moving(stale(on("s2")), "s0")}, away: "s2", drops: []Copy{moving(stale(on("s2")), "s0")}},
		"moved, the other not told": {copies: []Copy{on("s0"), on("s1"), moving(on("s2"), "s0")}, untold: "s1"},
		"moved, the other lost":     {copies: []Copy{on("s0"), stale(on("s1")), moving(on("s2"), "s0")}, drops: []Copy{stale(on("s1"))}},
		"moved within a fault set":  {copies: []Copy{on("s2"), stale(on("s1")), moving(on("s3"), "s2")}},
	} {
		t.Run(name, func(t *testing.T) {
			s := pooled(sdsSpec{"a", []int64{9}}, sdsSpec{"b", []int64{9}}, sdsSpec{"c", []int64{9}}, sdsSpec{"c", []int64{9}})
			v := &s.Volumes[0]
			v.Chunks = []Chunk{{Copies: row.copies}}
			o := testOffice()
			for i := range s.Devices {
				s.Devices[i].Removing = s.Devices[i].SDS == row.leaving
			}
			if row.away != "" {
				o.sdss.status(row.away).lost = map[string]time.Time{"": time.Now().Add(-time.Hour)}
			}
			drops := o.surplus(s, v, &v.Chunks[0], func(sds string) bool { return sds != row.untold })
			assert.ElementsMatch(t, row.drops, drops)
		})
	}
}

func TestGivenUp(t *testing.T) {
	p := Copy{SDS: "s0", Device: "s0.0"}
	for name, row := range map[string]struct {
		change func(*State, *sdsStatus)
		want   bool
	}{
		"lost for long":        {func(*State, *sdsStatus) {}, true},
		"lost a moment ago":    {func(_ *State, st *sdsStatus) { st.lost[""] = time.Now() }, false},
		"its device":           {func(_ *State, st *sdsStatus) { st.lost["s0.0"], st.lost[""] = st.lost[""], time.Now() }, true},
		"another device":       {func(_ *State, st *sdsStatus) { st.lost["s0.1"], st.lost[""] = st.lost[""], time.Now() }, false},
		"in maintenance":       {func(s *State, _ *sdsStatus) { s.SDSs[0].Maintenance = true }, false},
		"rebuild switched off": {func(s *State, _ *sdsStatus) { s.Pools[0].Rebuild = false }, false},
	} {
		s, o := pooled(sdsSpec{slots: []int64{9, 9}}), testOffice()
		st := o.sdss.status("s0")
		st.lost = map[string]time.Time{"": time.Now().Add(-time.Hour)}
		row.change(s, st)
		assert.Equal(t, row.want, o.givenUp(s, &s.Volumes[0], p), name)
	}
}

// A loss is counted from when it was seen first, and forgotten when it ends.
func TestNoteLosses(t *testing.T) {
	o := testOffice()
	o.node.log, o.node.opt.RebuildAfter = o.node.opt.Log, 0
	w := o.sdss
	lost := func(long time.Duration) bool { return w.lostFor("s0", "s0.0", long) }
	note := func(ok bool, err string) { w.note("s0", ok, []wire.SDSDevice{{ID: "s0.0", Error: err}}) }
	note(true, "")
	assert.False(t, lost(0))
	note(false, "")
	assert.False(t, lost(0), "one miss is none")
	note(false, "")
	assert.True(t, lost(0))
	assert.False(t, lost(time.Hour))
	w.status("s0").lost[""] = time.Now().Add(-2 * time.Hour)
	note(false, "")
	assert.True(t, lost(time.Hour))
	note(true, "broken")
	assert.True(t, lost(0), "now the device")
	assert.False(t, lost(time.Hour))
	note(true, "")
	assert.False(t, lost(0))
}

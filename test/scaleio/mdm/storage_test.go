package mdm_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/scaleio/mdm"
	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/scaleiotest"
	"scaleio-framework/test/scaleio/wire"
)

// client is an SDC reduced to its words with the MDM.
type client struct {
	t      *testing.T
	conn   net.Conn
	reader *bufio.Reader
	seq    int64
}

func newClient(t *testing.T, ip, guid string) *client {
	conn, err := net.Dial("tcp", mgmt.Address(ip, wire.PortMDMManagement))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	c := &client{t: t, conn: conn, reader: bufio.NewReader(conn)}
	_, err = io.WriteString(conn, `{"client":"sdc"}`+"\n")
	require.NoError(t, err)
	c.ask(wire.SDCRequest{Op: "register", GUID: guid, IP: "10.0.0.9", Build: "3.6.700"})
	return c
}

func (c *client) next() wire.SDCAnswer {
	c.t.Helper()
	require.NoError(c.t, c.conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	line, err := c.reader.ReadBytes('\n')
	require.NoError(c.t, err)
	var answer wire.SDCAnswer
	require.NoError(c.t, json.Unmarshal(line, &answer))
	return answer
}

func (c *client) ask(req wire.SDCRequest) wire.SDCAnswer {
	c.t.Helper()
	c.seq++
	req.Seq = c.seq
	require.NoError(c.t, json.NewEncoder(c.conn).Encode(req))
	for {
		if answer := c.next(); answer.Seq == c.seq {
			return answer
		}
	}
}

// untilCopies reads pushes until the volume's first chunk has so many copies.
func (c *client) untilCopies(n int) wire.Volume {
	c.t.Helper()
	return c.untilPlaces(func(copies []wire.Copy) bool { return len(copies) == n })
}

func (c *client) untilPlaces(right func([]wire.Copy) bool) wire.Volume {
	c.t.Helper()
	for {
		answer := c.next()
		if len(answer.Volumes) == 1 && len(answer.Volumes[0].Chunks) == 1 && right(answer.Volumes[0].Chunks[0].Copies) {
			return answer.Volumes[0]
		}
	}
}

func sdsAsk(t *testing.T, address string, req wire.SDSRequest, data []byte) (wire.SDSAnswer, []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, json.NewEncoder(conn).Encode(req))
	_, err = conn.Write(data)
	require.NoError(t, err)
	reader := bufio.NewReader(conn)
	line, err := reader.ReadBytes('\n')
	require.NoError(t, err)
	var answer wire.SDSAnswer
	require.NoError(t, json.Unmarshal(line, &answer))
	got := make([]byte, answer.Length)
	_, err = io.ReadFull(reader, got)
	require.NoError(t, err)
	return answer, got
}

// stored is a formed cluster with three SDSs in three fault sets, a device each, and one 16 GB volume.
func stored(t *testing.T) ([]*scaleiotest.MDM, *operator, []*scaleiotest.SDS) {
	t.Helper()
	return storedTuned(t, nil)
}

func storedTuned(t *testing.T, tune func(*mdm.Options)) ([]*scaleiotest.MDM, *operator, []*scaleiotest.SDS) {
	t.Helper()
	m, op := formedTuned(t, tune)
	servers := scaleiotest.SDSs(t, scaleiotest.Network(m[0].IP[:strings.LastIndexByte(m[0].IP, '.')]), 3)
	op.must(mgmt.CmdAddDomain, mgmt.AddDomain{Name: "pd"}, nil)
	domain, pool := mgmt.Ref{Name: "pd"}, mgmt.Ref{Name: "sp"}
	spare := 34
	op.must(mgmt.CmdAddPool, mgmt.AddPool{Domain: domain, Name: "sp", MediaType: "HDD", SparePercent: &spare}, nil)
	volume := mgmt.AddVolume{Pool: pool, Name: "v", SizeBytes: 16 << 30}
	assert.ErrorIs(t, op.try(mgmt.CmdAddVolume, volume, nil), mgmt.TooFewSDSs)
	for i, s := range servers {
		set := fmt.Sprintf("fs%d", i)
		op.must(mgmt.CmdAddFaultSet, mgmt.AddFaultSet{Domain: domain, Name: set}, nil)
		add := mgmt.AddSDS{Domain: domain, Name: fmt.Sprintf("sds%d", i), IPs: []mgmt.SDSIP{{IP: s.IP, Role: "all"}}, FaultSet: mgmt.Ref{Name: set}}
		op.must(mgmt.CmdAddSDS, add, nil)
		assert.ErrorIs(t, op.try(mgmt.CmdAddSDS, add, nil), mgmt.SDSNameInUse)
		op.must(mgmt.CmdAddDevice, mgmt.AddDevice{SDS: mgmt.Ref{IP: s.IP}, Pool: pool, Path: s.Disk}, nil)
		assert.ErrorIs(t, op.try(mgmt.CmdAddDevice, mgmt.AddDevice{SDS: mgmt.Ref{IP: s.IP}, Pool: pool, Path: s.Disk}, nil), mgmt.DevicePathExists)
	}
	off := false
	assert.ErrorIs(t, op.try(mgmt.CmdModifyPool, mgmt.ModifyPool{Of: pool, ZeroPadding: &off}, nil), mgmt.PoolNotEmpty)
	odd := volume
	odd.SizeBytes = 10 << 30
	assert.ErrorIs(t, op.try(mgmt.CmdAddVolume, odd, nil), mgmt.VolumeSize)
	op.must(mgmt.CmdAddVolume, volume, nil)
	return m, op, servers
}

// The life of a chunk: allocated on two fault units, single when one is lost, whole again with the data when it returns.
func TestChunk_lossAndReturnOfAnSDS(t *testing.T) {
	t.Parallel()
	m, op, servers := stored(t)
	c := newClient(t, m[0].IP, "4B1C5F4E-0000-4000-8000-000000000001")
	op.must(mgmt.CmdMapVolume, mgmt.MapVolume{Volume: mgmt.Ref{Name: "v"}, SDC: mgmt.Ref{IP: "10.0.0.9"}}, nil)
	v := c.next().Volumes[0]
	first := c.ask(wire.SDCRequest{Op: "allocate", Volume: v.ID, Chunk: 3}).Volumes[0]
	again := c.ask(wire.SDCRequest{Op: "allocate", Volume: v.ID, Chunk: 3}).Volumes[0]
	require.Equal(t, first, again)
	copies := first.Chunks[0].Copies
	require.Len(t, copies, 2)
	require.NotEqual(t, copies[0].SDS, copies[1].SDS)

	var view mgmt.View
	op.must(mgmt.CmdView, nil, &view)
	system := view.System.ID
	write := func(p wire.Copy, generation int64, text string) wire.SDSAnswer {
		answer, _ := sdsAsk(t, p.Addr, wire.SDSRequest{Op: "write", System: system, SDS: p.SDS, Volume: v.ID, Generation: generation, Device: p.Device,
			Slot: p.Slot, Length: int64(len(text))}, []byte(text))
		return answer
	}
	for _, p := range copies {
		require.Empty(t, write(p, first.Generation, "before").Error)
	}
	op.must(mgmt.CmdView, nil, &view)
	assert.Equal(t, int64(128<<10), view.Capacity.ProtectedKB)

	lost := servers[0]
	for _, s := range servers {
		if strings.HasPrefix(copies[0].Addr, s.IP+":") {
			lost = s
		}
	}
	lost.Stop()
	single := c.untilCopies(1)
	assert.Greater(t, single.Generation, first.Generation)
	survivor := single.Chunks[0].Copies[0]
	assert.Equal(t, "stale", write(survivor, first.Generation, "oldmap").Error, "the survivor was told before the client")
	require.Empty(t, write(survivor, single.Generation, "during").Error)
	op.must(mgmt.CmdView, nil, &view)
	assert.Equal(t, int64(64<<10), view.Capacity.DegradedHealthyKB)
	assert.Equal(t, int64(64<<10), view.Capacity.DegradedFailedKB)

	lost.Start()
	whole := c.untilCopies(2)
	for _, p := range whole.Chunks[0].Copies {
		_, got := sdsAsk(t, p.Addr, wire.SDSRequest{Op: "read", System: system, SDS: p.SDS, Volume: v.ID, Device: p.Device, Slot: p.Slot, Length: 6}, nil)
		assert.Equal(t, "during", string(got))
	}
	// The master dies: the next one knows the same places.
	m[0].Kill()
	op.soon("another master", func() error { return op.try(mgmt.CmdView, nil, nil) })
	c = newClient(t, m[1].IP, "4B1C5F4E-0000-4000-8000-000000000001")
	c.t = t
	got := c.ask(wire.SDCRequest{Op: "allocate", Volume: v.ID, Chunk: 3})
	require.Len(t, got.Volumes, 1)
	assert.Equal(t, whole.Chunks, got.Volumes[0].Chunks)
	assert.GreaterOrEqual(t, got.Volumes[0].Generation, whole.Generation)
}

// An SDS that stays away is given up: its chunks are made anew on the third fault unit. Who still has the old map neither reads nor writes, and
// when the SDS is back it is emptied.
func TestChunk_rebuiltOntoAThirdFaultUnit(t *testing.T) {
	t.Parallel()
	m, op, servers := storedTuned(t, func(o *mdm.Options) { o.RebuildAfter = time.Millisecond })
	c := newClient(t, m[0].IP, "4B1C5F4E-0000-4000-8000-000000000004")
	op.must(mgmt.CmdMapVolume, mgmt.MapVolume{Volume: mgmt.Ref{Name: "v"}, SDC: mgmt.Ref{IP: "10.0.0.9"}}, nil)
	v := c.next().Volumes[0]
	first := c.ask(wire.SDCRequest{Op: "allocate", Volume: v.ID, Chunk: 3}).Volumes[0]
	var view mgmt.View
	op.must(mgmt.CmdView, nil, &view)
	request := func(op string, p wire.Copy, generation int64) wire.SDSRequest {
		return wire.SDSRequest{Op: op, System: view.System.ID, SDS: p.SDS, Volume: v.ID, Generation: generation, Device: p.Device, Slot: p.Slot, Length: 4}
	}
	for _, p := range first.Chunks[0].Copies {
		answer, _ := sdsAsk(t, p.Addr, request("write", p, first.Generation), []byte("data"))
		require.Empty(t, answer.Error)
	}
	gone, survivor := first.Chunks[0].Copies[0], first.Chunks[0].Copies[1]
	lost := servers[slices.IndexFunc(servers, func(s *scaleiotest.SDS) bool { return strings.HasPrefix(gone.Addr, s.IP+":") })]
	lost.Stop()
	whole := c.untilPlaces(func(copies []wire.Copy) bool {
		return len(copies) == 2 && !slices.ContainsFunc(copies, func(p wire.Copy) bool { return p.SDS == gone.SDS })
	})
	for _, p := range whole.Chunks[0].Copies {
		_, got := sdsAsk(t, p.Addr, request("read", p, whole.Generation), nil)
		assert.Equal(t, "data", string(got))
	}
	for _, do := range []string{"write", "read"} {
		answer, _ := sdsAsk(t, survivor.Addr, request(do, survivor, first.Generation), []byte("late"))
		assert.Equal(t, "stale", answer.Error, do)
	}
	op.must(mgmt.CmdView, nil, &view)
	assert.Equal(t, []int64{128 << 10, 0, 0}, []int64{view.Capacity.ProtectedKB, view.Capacity.DegradedHealthyKB, view.Capacity.PendingRebuildKB})

	lost.Start()
	op.soon("what it held is erased", func() error {
		raw := request("read", gone, 0)
		raw.Volume = ""
		if answer, got := sdsAsk(t, gone.Addr, raw, nil); answer.Error != "" || string(got) != "\x00\x00\x00\x00" {
			return fmt.Errorf("%s %q", answer.Error, got)
		}
		return nil
	})
	answer, _ := sdsAsk(t, gone.Addr, request("read", gone, first.Generation), nil)
	assert.Equal(t, "stale", answer.Error, "an old map doesn't read zeros")
}

// A write that failed at one copy goes on with the other, and the copy is filled again.
func TestChunk_reportFailed(t *testing.T) {
	t.Parallel()
	m, op, _ := stored(t)
	c := newClient(t, m[0].IP, "4B1C5F4E-0000-4000-8000-000000000002")
	op.must(mgmt.CmdMapVolume, mgmt.MapVolume{Volume: mgmt.Ref{Name: "v"}, SDC: mgmt.Ref{IP: "10.0.0.9"}}, nil)
	v := c.next().Volumes[0]
	first := c.ask(wire.SDCRequest{Op: "allocate", Volume: v.ID, Chunk: 0}).Volumes[0]
	bad := first.Chunks[0].Copies[1]
	c.ask(wire.SDCRequest{Op: "report-failed", Volume: v.ID, Chunk: 0, SDS: bad.SDS, Device: bad.Device})
	whole := c.untilCopies(2)
	assert.Greater(t, whole.Generation, first.Generation)
	other := newClientRefused(t, m[0].IP, "4B1C5F4E-0000-4000-8000-000000000002")
	assert.Equal(t, mgmt.SDCGUIDExists.Text, other.Error)
}

func newClientRefused(t *testing.T, ip, guid string) wire.SDCAnswer {
	conn, err := net.Dial("tcp", mgmt.Address(ip, wire.PortMDMManagement))
	require.NoError(t, err)
	defer conn.Close()
	c := &client{t: t, conn: conn, reader: bufio.NewReader(conn)}
	_, err = io.WriteString(conn, `{"client":"sdc"}`+"\n")
	require.NoError(t, err)
	return c.ask(wire.SDCRequest{Op: "register", GUID: guid, IP: "10.0.0.10"})
}

// Removing an SDS moves its data away first.
func TestRemoveSDS_movesData(t *testing.T) {
	t.Parallel()
	m, op, servers := stored(t)
	c := newClient(t, m[0].IP, "4B1C5F4E-0000-4000-8000-000000000003")
	op.must(mgmt.CmdMapVolume, mgmt.MapVolume{Volume: mgmt.Ref{Name: "v"}, SDC: mgmt.Ref{IP: "10.0.0.9"}}, nil)
	v := c.next().Volumes[0]
	first := c.ask(wire.SDCRequest{Op: "allocate", Volume: v.ID, Chunk: 0}).Volumes[0]
	leaving := first.Chunks[0].Copies[0]
	assert.ErrorIs(t, op.try(mgmt.CmdRemoveDevice, mgmt.DeviceRef{ID: leaving.Device}, nil), mgmt.LastDevice)
	op.must(mgmt.CmdRemoveSDS, mgmt.Ref{ID: leaving.SDS}, nil)
	op.soon("SDS gone", func() error {
		var view mgmt.View
		if err := op.try(mgmt.CmdView, nil, &view); err != nil {
			return err
		}
		if len(view.SDSs) != len(servers)-1 || len(view.Devices) != len(servers)-1 {
			return errors.New("still there")
		}
		return nil
	})
	moved := c.ask(wire.SDCRequest{Op: "allocate", Volume: v.ID, Chunk: 0}).Volumes[0]
	require.Len(t, moved.Chunks[0].Copies, 2)
	for _, p := range moved.Chunks[0].Copies {
		assert.NotEqual(t, leaving.SDS, p.SDS)
	}
}

package sdc

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/scaleio/sds"
	"scaleio-framework/test/scaleio/wire"
)

const (
	systemID = "3ef46cbf2aaf5d0f"
	volumeID = "2f93c3ab00000000"
	guid     = "B0E3BFB8-C20B-43BF-93C8-13339E85AA50"
)

// fakeSDS is a real SDS on a sparse file, which tests can stop and start.
type fakeSDS struct {
	t         *testing.T
	id, addr  string
	dir, disk string
	stop      func()
}

func startSDS(t *testing.T, id string, slots int64) *fakeSDS {
	f := &fakeSDS{t: t, id: id, dir: t.TempDir(), disk: filepath.Join(t.TempDir(), "disk")}
	require.NoError(t, os.WriteFile(f.disk, nil, 0o600))
	require.NoError(t, os.Truncate(f.disk, wire.DeviceDataOffset+slots*wire.ChunkBytes))
	f.start()
	t.Cleanup(func() { f.stop() })
	f.do(wire.SDSRequest{Op: "hello", System: systemID, SDS: id})
	f.do(wire.SDSRequest{Op: "add-device", System: systemID, Path: f.disk, Device: "dev-" + id})
	return f
}

func (f *fakeSDS) start() {
	s, err := sds.New(sds.Options{
		Dir: f.dir, MinDeviceBytes: 1, Log: slog.New(slog.DiscardHandler),
		Scan:      func() []string { return []string{f.disk} },
		MountedAt: func(string) (string, error) { return "", nil },
	})
	require.NoError(f.t, err)
	if f.addr == "" {
		f.addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", f.addr)
	require.NoError(f.t, err)
	f.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	f.stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(f.t, <-done)
		assert.NoError(f.t, s.Close())
	})
}

func (f *fakeSDS) do(req wire.SDSRequest) {
	c, err := net.Dial("tcp", f.addr)
	require.NoError(f.t, err)
	conn := sds.NewConn(c)
	defer conn.Close()
	_, err = conn.Do(req, 5*time.Second)
	require.NoError(f.t, err)
}

func (f *fakeSDS) copyAt(slot int64) wire.Copy {
	return wire.Copy{SDS: f.id, Addr: f.addr, Device: "dev-" + f.id, Slot: slot}
}

// fakeMDM speaks the MDM's side of the protocol over one set of maps; several addresses may share it.
type fakeMDM struct {
	t    *testing.T
	sdss []*fakeSDS

	mu       sync.Mutex
	volumes  map[string]*wire.Volume
	conns    map[net.Conn]bool
	master   string // address that answers as master
	failures int    // report-failed requests seen
	asked    map[string]int
	refuse   bool // report-failed is answered with the same map

	refuseRegister string // text
}

func newFakeMDM(t *testing.T, sdss ...*fakeSDS) *fakeMDM {
	return &fakeMDM{t: t, sdss: sdss, volumes: map[string]*wire.Volume{}, conns: map[net.Conn]bool{}, asked: map[string]int{}}
}

// listen gives one MDM address.
func (m *fakeMDM) listen() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(m.t, err)
	m.t.Cleanup(func() { _ = l.Close(); m.hangUp() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go m.serve(l.Addr().String(), c)
		}
	}()
	return l.Addr().String()
}

func (m *fakeMDM) serve(addr string, c net.Conn) {
	defer c.Close()
	in := bufio.NewScanner(c)
	in.Scan()
	for in.Scan() {
		var req wire.SDCRequest
		if json.Unmarshal(in.Bytes(), &req) != nil {
			return
		}
		m.mu.Lock()
		m.send(c, m.answer(addr, c, req))
		m.mu.Unlock()
	}
}

func (m *fakeMDM) send(c net.Conn, a wire.SDCAnswer) {
	line, err := json.Marshal(a)
	if err == nil {
		_, _ = c.Write(append(line, '\n'))
	}
}

func (m *fakeMDM) answer(addr string, c net.Conn, req wire.SDCRequest) wire.SDCAnswer {
	m.asked[req.Op]++
	a := wire.SDCAnswer{Seq: req.Seq}
	v := m.volumes[req.Volume]
	switch {
	case m.master != addr:
		a.Error = "not-master"
		return a
	case req.Op == "register" && m.refuseRegister != "":
		a.Error = m.refuseRegister
		return a
	case req.Op == "register":
		m.conns[c] = true
		a.SystemID, a.SDCID, a.Install = systemID, "6b18479c00000003", "68ab55462cbb3ae4"
		a.Volumes = m.all()
		return a
	case v == nil && req.Op != "ping":
		a.Error = "no such volume"
		return a
	case req.Op == "allocate":
		m.allocate(v, req.Chunk)
	case req.Op == "report-failed":
		m.failures++
		if !m.refuse {
			m.drop(v, req.SDS)
		}
	}
	if v != nil {
		a.Volumes = []wire.Volume{*v}
	}
	return a
}

func (m *fakeMDM) all() []wire.Volume {
	var all []wire.Volume
	for _, v := range m.volumes {
		all = append(all, *v)
	}
	return all
}

func (m *fakeMDM) allocate(v *wire.Volume, chunk int64) {
	for _, c := range v.Chunks {
		if c.Index == chunk {
			return
		}
	}
	slot := int64(len(v.Chunks))
	c := wire.Chunk{Index: chunk}
	for _, s := range m.sdss {
		c.Copies = append(c.Copies, s.copyAt(slot))
	}
	v.Chunks = append(append([]wire.Chunk{}, v.Chunks...), c)
}

// drop takes an SDS out of the maps: first the survivors are fenced, then the map changes.
func (m *fakeMDM) drop(v *wire.Volume, id string) {
	v.Generation++
	var chunks []wire.Chunk
	for _, c := range v.Chunks {
		var copies []wire.Copy
		for _, cp := range c.Copies {
			if cp.SDS != id {
				copies = append(copies, cp)
			}
		}
		chunks = append(chunks, wire.Chunk{Index: c.Index, Copies: copies})
	}
	v.Chunks = chunks
	for _, s := range m.sdss {
		if s.id != id {
			s.do(wire.SDSRequest{Op: "set-generation", System: systemID, Volume: v.ID, Generation: v.Generation})
		}
	}
}

// change edits the maps and pushes them.
func (m *fakeMDM) change(edit func(volumes map[string]*wire.Volume)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	edit(m.volumes)
	for c := range m.conns {
		m.send(c, wire.SDCAnswer{Volumes: m.all()})
	}
}

func (m *fakeMDM) hangUp() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.conns {
		_ = c.Close()
		delete(m.conns, c)
	}
}

func (m *fakeMDM) setMaster(addr string) {
	m.mu.Lock()
	m.master = addr
	m.mu.Unlock()
	m.hangUp()
}

func (m *fakeMDM) count(op string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked[op]
}

// cluster is two SDSs, an MDM with one 192 MiB volume, and a system that is connected to it.
type cluster struct {
	sds1, sds2 *fakeSDS
	mdm        *fakeMDM
	addr       string
	system     *System
	mapped     chan struct{}
}

func newCluster(t *testing.T, change func(*Options)) *cluster {
	c := &cluster{sds1: startSDS(t, "sds1", 4), sds2: startSDS(t, "sds2", 4), mapped: make(chan struct{}, 1)}
	c.mdm = newFakeMDM(t, c.sds1, c.sds2)
	c.addr = c.mdm.listen()
	c.mdm.setMaster(c.addr)
	c.mdm.volumes[volumeID] = &wire.Volume{ID: volumeID, Name: "v", SizeBytes: 3 * wire.ChunkBytes, Generation: 1}
	o := testOptions()
	if change != nil {
		change(&o)
	}
	c.system = c.run(t, o, c.addr)
	return c
}

func testOptions() Options {
	dial := func(ctx context.Context, addr string) (net.Conn, error) {
		return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", addr)
	}
	return Options{GUID: guid, Build: "3.6.700", DialMDM: dial, DialSDS: dial, IOTimeout: 20 * time.Second, Log: slog.New(slog.DiscardHandler)}
}

func (c *cluster) run(t *testing.T, o Options, addrs ...string) *System {
	s := NewSystem(o, addrs, func() {
		select {
		case c.mapped <- struct{}{}:
		default:
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return s
}

// volume waits until the volume is mapped.
func (c *cluster) volume(t *testing.T) *Volume {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		if v := c.system.volume(volumeID); v != nil {
			return v
		}
		select {
		case <-c.mapped:
		case <-deadline:
			require.FailNow(t, "the volume was never mapped")
		}
	}
}

// onDisk reads a copy from the disk image itself.
func (f *fakeSDS) onDisk(slot, off int64, n int) []byte {
	file, err := os.Open(f.disk)
	require.NoError(f.t, err)
	defer file.Close()
	p := make([]byte, n)
	_, err = file.ReadAt(p, wire.DeviceDataOffset+slot*wire.ChunkBytes+off)
	require.NoError(f.t, err, fmt.Sprintf("%s slot %d", f.id, slot))
	return p
}

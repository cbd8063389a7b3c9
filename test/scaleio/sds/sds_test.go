package sds

import (
	"bytes"
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/scaleio/wire"
)

const (
	system  = "3ef46cbf2aaf5d0f"
	sdsID   = "6b18479c00000001"
	volume  = "2f93c3ab00000000"
	diskMiB = 1 + 3*64 // three slots
)

// rig is one SDS on sparse files, over a real socket.
type rig struct {
	t       *testing.T
	dev     string // stands for /dev
	state   string
	addr    string
	mounted sync.Map // paths
	dial    func(ctx context.Context, addr string) (net.Conn, error)
	stop    func()
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, dev: t.TempDir(), state: t.TempDir()}
	r.start()
	t.Cleanup(func() { r.stop() })
	return r
}

func (r *rig) start() {
	s, err := New(Options{
		Dir: r.state, MinDeviceBytes: diskMiB << 20, Log: slog.New(slog.DiscardHandler),
		Scan: func() []string {
			paths, err := filepath.Glob(filepath.Join(r.dev, "*"))
			require.NoError(r.t, err)
			return paths
		},
		MountedAt: func(path string) (string, error) {
			at, _ := r.mounted.LoadOrStore(path, "")
			return at.(string), nil
		},
		Dial: r.dial,
	})
	require.NoError(r.t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r.t, err)
	r.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, l) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(r.t, <-done)
		assert.NoError(r.t, s.Close())
	})
}

func (r *rig) restart() {
	r.stop()
	r.start()
}

func (r *rig) conn() *Conn {
	c, err := net.Dial("tcp", r.addr)
	require.NoError(r.t, err)
	conn := NewConn(c)
	r.t.Cleanup(conn.Close)
	return conn
}

func (r *rig) do(req wire.SDSRequest) (wire.SDSAnswer, error) {
	if req.System == "" {
		req.System = system
	}
	return r.conn().Do(req, 5*time.Second)
}

func (r *rig) member() *rig {
	_, err := r.do(wire.SDSRequest{Op: "hello", SDS: sdsID, Name: "sds1"})
	require.NoError(r.t, err)
	return r
}

func (r *rig) disk(name string) string {
	path := filepath.Join(r.dev, name)
	f, err := os.Create(path)
	require.NoError(r.t, err)
	require.NoError(r.t, f.Truncate(diskMiB<<20))
	require.NoError(r.t, f.Close())
	return path
}

func (r *rig) device(name, id string) string {
	path := r.disk(name)
	_, err := r.do(wire.SDSRequest{Op: "add-device", Path: path, Device: id})
	require.NoError(r.t, err)
	return path
}

func (r *rig) write(generation int64, vol string, slot int64, data []byte) error {
	return r.conn().Write(wire.SDSRequest{System: system, Volume: vol, Generation: generation, Device: "d1", Slot: slot, Offset: 4096}, data, 5*time.Second)
}

func (r *rig) read(vol, device string, slot int64, n int) []byte {
	p := make([]byte, n)
	require.NoError(r.t, r.conn().Read(wire.SDSRequest{System: system, Volume: vol, Device: device, Slot: slot, Offset: 4096}, p, 5*time.Second))
	return p
}

// head is a digest of what an SDS would write first.
func head(path string) [sha256.Size]byte {
	f, err := os.Open(path)
	if err != nil {
		return [sha256.Size]byte{}
	}
	defer f.Close()
	first := make([]byte, wire.DeviceDataOffset)
	n, _ := f.ReadAt(first, 0)
	return sha256.Sum256(first[:n])
}

func code(t *testing.T, err error) int {
	t.Helper()
	var r *RefusedError
	require.ErrorAs(t, err, &r)
	return r.Code
}

func TestHello_keepsOneIdentity(t *testing.T) {
	r := newRig(t).member()
	r.device("a", "d1")
	_, err := r.do(wire.SDSRequest{Op: "hello", SDS: sdsID, Name: "sds1"})
	require.NoError(t, err, "the same identity again")
	r.restart()
	_, err = r.do(wire.SDSRequest{Op: "hello", SDS: "6b18479c00000002"})
	assert.Equal(t, 75, code(t, err))
	_, err = r.do(wire.SDSRequest{Op: "hello", System: "other", SDS: sdsID})
	assert.Equal(t, 77, code(t, err))
	_, err = r.do(wire.SDSRequest{Op: "status", System: "other"})
	assert.Equal(t, 77, code(t, err))
	_, err = r.do(wire.SDSRequest{Op: "hello", System: "other", SDS: "x", Force: true})
	require.NoError(t, err)
	a, err := r.do(wire.SDSRequest{Op: "status", System: "other"})
	require.NoError(t, err)
	assert.Equal(t, "x", a.SDS)
	assert.Empty(t, a.Devices, "the devices carry the old identity")
}

func TestAddDevice_refusals(t *testing.T) {
	r := newRig(t).member()
	put := func(path string, at int64, data string) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte(data), at)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	foreign, err := header{System: system, SDS: "other", Device: "d9"}.encode()
	require.NoError(t, err)
	for _, tc := range []struct {
		name    string
		prepare func(path string)
		code    int
		force   bool // taken with force
	}{
		{"missing", func(p string) { require.NoError(t, os.Remove(p)) }, 71, false},
		{"small", func(p string) { require.NoError(t, os.Truncate(p, diskMiB<<20-1)) }, 207, false},
		{"mbr", func(p string) { put(p, 510, "\x55\xaa") }, 340, false},
		{"gpt", func(p string) { put(p, 512, "EFI PART") }, 340, false},
		{"mounted", func(p string) { r.mounted.Store(p, "/data") }, 341, false},
		{"foreign", func(p string) { put(p, 0, string(foreign)) }, 626, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := r.disk(tc.name)
			tc.prepare(path)
			before := head(path)
			_, err := r.do(wire.SDSRequest{Op: "add-device", Path: path})
			assert.Equal(t, tc.code, code(t, err))
			assert.Equal(t, before, head(path), "a refused device is untouched")
			_, err = r.do(wire.SDSRequest{Op: "add-device", Path: path, Force: true})
			assert.Equal(t, tc.force, err == nil)
		})
	}
	path := r.device("good", "d1")
	_, err = r.do(wire.SDSRequest{Op: "add-device", Path: path, Device: "d2"})
	assert.Equal(t, 673, code(t, err))
	_, err = r.do(wire.SDSRequest{Op: "add-device", Path: path, Device: "d1"})
	require.NoError(t, err, "the same request again")
}

func TestDevices_foundByHeaderAfterRename(t *testing.T) {
	r := newRig(t).member()
	path := r.device("sdb", "d1")
	data := bytes.Repeat([]byte("kept"), 1024)
	require.NoError(t, r.write(1, volume, 2, data))
	r.stop()
	renamed := filepath.Join(r.dev, "sdc")
	require.NoError(t, os.Rename(path, renamed))
	r.disk("sdb")
	r.start()
	a, err := r.do(wire.SDSRequest{Op: "status"})
	require.NoError(t, err)
	require.Len(t, a.Devices, 1)
	assert.Equal(t, wire.SDSDevice{ID: "d1", Path: renamed, SizeBytes: diskMiB << 20}, a.Devices[0])
	assert.Equal(t, data, r.read(volume, "d1", 2, len(data)))

	image, err := os.Open(renamed)
	require.NoError(t, err)
	defer image.Close()
	raw := make([]byte, len(data))
	_, err = image.ReadAt(raw, wire.DeviceDataOffset+2*wire.ChunkBytes+4096)
	require.NoError(t, err)
	assert.Equal(t, data, raw, "the data is where the map says")

	r.stop()
	require.NoError(t, os.Remove(renamed))
	r.start()
	a, err = r.do(wire.SDSRequest{Op: "status"})
	require.NoError(t, err)
	require.Len(t, a.Devices, 1)
	assert.Equal(t, "device not found", a.Devices[0].Error)
}

func TestRemoveDevice_givesItBack(t *testing.T) {
	r := newRig(t).member()
	path := r.device("sdb", "d1")
	require.NoError(t, r.write(1, volume, 0, []byte("x")))
	_, err := r.do(wire.SDSRequest{Op: "remove-device", Device: "d1"})
	require.NoError(t, err)
	_, err = r.do(wire.SDSRequest{Op: "remove-device", Device: "d1"})
	assert.Equal(t, 126, code(t, err))
	_, err = r.do(wire.SDSRequest{Op: "add-device", Path: path, Device: "d2"})
	require.NoError(t, err, "no header is left")
}

func TestGeneration_fencesAcrossRestart(t *testing.T) {
	r := newRig(t).member()
	r.device("sdb", "d1")
	require.NoError(t, r.write(3, volume, 0, []byte("new")))
	_, err := r.do(wire.SDSRequest{Op: "set-generation", Volume: volume, Generation: 5})
	require.NoError(t, err)
	r.restart()
	var refused *RefusedError
	require.ErrorAs(t, r.write(4, volume, 0, []byte("old")), &refused)
	assert.True(t, refused.Stale())
	assert.Equal(t, []byte("new"), r.read(volume, "d1", 0, 3))
	_, err = r.do(wire.SDSRequest{Op: "set-generation", Volume: volume, Generation: 4})
	require.ErrorAs(t, err, &refused)
	assert.True(t, refused.Stale())
	require.NoError(t, r.write(5, volume, 0, []byte("now")))
	require.NoError(t, r.write(1, "2f93c3ab00000001", 1, []byte("x")), "another volume has its own fence")
}

func TestGeneration_noOldWriteAfterSetGeneration(t *testing.T) {
	r := newRig(t).member()
	r.device("sdb", "d1")
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for r.write(1, volume, 0, []byte("old")) == nil {
			}
		})
	}
	_, err := r.do(wire.SDSRequest{Op: "set-generation", Volume: volume, Generation: 2})
	require.NoError(t, err)
	require.NoError(t, r.write(2, volume, 0, []byte("new")))
	writers.Wait()
	assert.Equal(t, []byte("new"), r.read(volume, "d1", 0, 3))
}

func TestSlot_showsNothingOfAnotherVolume(t *testing.T) {
	r := newRig(t).member()
	r.device("sdb", "d1")
	require.NoError(t, r.write(1, volume, 1, bytes.Repeat([]byte("secret"), 1000)))
	other := "2f93c3ab00000001"
	assert.Equal(t, make([]byte, 6000), r.read(other, "d1", 1, 6000), "before its first write")
	require.NoError(t, r.write(1, other, 1, []byte("mine")))
	got := r.read(other, "d1", 1, 6000)
	assert.Equal(t, []byte("mine"), got[:4])
	assert.Equal(t, make([]byte, 5996), got[4:])
	r.restart()
	assert.Equal(t, got, r.read(other, "d1", 1, 6000))
	_, err := r.do(wire.SDSRequest{Op: "zero-chunk", Device: "d1", Slot: 1})
	require.NoError(t, err)
	assert.Equal(t, make([]byte, 6000), r.read("", "d1", 1, 6000), "the bytes themselves are zero")
}

func TestDetach_leavesNothing(t *testing.T) {
	r := newRig(t).member()
	path := r.device("sdb", "d1")
	for range 2 {
		_, err := r.do(wire.SDSRequest{Op: "detach", SDS: sdsID})
		require.NoError(t, err)
	}
	_, err := headerAt(path)
	require.ErrorIs(t, err, errNoHeader)
	r.restart()
	_, err = r.do(wire.SDSRequest{Op: "hello", System: "other", SDS: "x"})
	require.NoError(t, err)
}

func TestRequests_outsideTheDevice(t *testing.T) {
	r := newRig(t).member()
	r.device("sdb", "d1")
	require.Error(t, r.write(1, volume, 3, []byte("x")))
	require.Error(t, r.write(1, volume, -1, []byte("x")))
	require.Error(t, r.conn().Write(wire.SDSRequest{System: system, Volume: volume, Device: "d1", Offset: wire.ChunkBytes}, []byte("x"), time.Second))
	assert.Equal(t, 126, code(t, r.conn().Read(wire.SDSRequest{System: system, Volume: volume, Device: "gone"}, make([]byte, 1), time.Second)))
	_, err := r.do(wire.SDSRequest{Op: "dance"})
	require.Error(t, err)
}

// A listener whose last client comes in while the server is told to end.
type lastClient struct {
	net.Listener
	end    func()
	client net.Conn
}

func (l lastClient) Accept() (net.Conn, error) {
	l.end()
	return l.client, nil
}

func TestServe_whoComesInAtTheEndIsHungUp(t *testing.T) {
	s, err := New(Options{Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Scan: func() []string { return nil }})
	require.NoError(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ours, theirs := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	require.NoError(t, s.Serve(ctx, lastClient{l, cancel, theirs}))
	_ = ours.SetReadDeadline(time.Now().Add(10 * time.Second)) // refused by a pipe whose other end is closed: as it should be
	_, err = ours.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, s.Close())
}

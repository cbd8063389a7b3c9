// Package scaleiotest runs stand-in MDMs and SDSs inside a test: each with a directory and a loopback address of its own, all on the product's ports.
package scaleiotest

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/sds"
	"scaleio-framework/test/scaleio/wire"
)

// Network is a loopback network that no other test uses.
type Network string

// guards are kept open to the process's end: who can't have a network's guard address, draws again.
var guards struct {
	sync.Mutex
	open []net.Listener
}

// NewNetwork draws one at random.
func NewNetwork() Network {
	guards.Lock()
	defer guards.Unlock()
	for {
		n := Network(fmt.Sprintf("127.%d.%d", 64+rand.IntN(128), 1+rand.IntN(250)))
		if l, err := net.Listen("tcp", mgmt.Address(n.IP(1), wire.PortMDMCluster)); err == nil {
			guards.open = append(guards.open, l)
			return n
		}
	}
}

// IP of a host in the network.
func (n Network) IP(host int) string { return fmt.Sprintf("%s.%d", n, host) }

// TrustAll is for clients that test anything but certificates.
func TrustAll() *mgmt.Trust {
	return &mgmt.Trust{Approve: func(*x509.Certificate) error { return nil }}
}

// directory in memory where there is such a place: every change is synced, and a busy disk would make the tests' leases run out.
func directory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "scaleiotest-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// DiskBytes is the size of every SDS's one disk, a sparse file.
const DiskBytes = 120 << 30

// SDS is a stand-in SDS with one disk.
type SDS struct {
	t    *testing.T
	IP   string
	Disk string
	dir  string
	Stop func()
}

// SDSs are started at .31 and on.
func SDSs(t *testing.T, network Network, n int) []*SDS {
	t.Helper()
	var list []*SDS
	for i := range n {
		s := &SDS{t: t, IP: network.IP(31 + i), dir: directory(t)}
		s.Disk = filepath.Join(s.dir, "disk")
		require.NoError(t, os.WriteFile(s.Disk, nil, 0o600))
		require.NoError(t, os.Truncate(s.Disk, DiskBytes))
		s.Start()
		list = append(list, s)
	}
	return list
}

// Start runs it until it is stopped or the test ends.
func (s *SDS) Start() {
	s.t.Helper()
	daemon, err := sds.New(sds.Options{Dir: filepath.Join(s.dir, "cfg"), Scan: func() []string { return []string{s.Disk} },
		MountedAt: func(string) (string, error) { return "", nil }, Log: slog.New(slog.DiscardHandler)})
	require.NoError(s.t, err)
	listener, err := net.Listen("tcp", mgmt.Address(s.IP, wire.PortSDS))
	require.NoError(s.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = daemon.Serve(ctx, listener) }()
	s.Stop = func() { cancel(); <-done; _ = daemon.Close(); s.Stop = func() {} }
	s.t.Cleanup(func() { s.Stop() })
}

package preflight

import (
	"context"
	"net/netip"
)

// Here is this machine.
type Here struct{ meeting Meeting }

// Free bytes where a folder is.
func (*Here) Free(path string) (int64, error) { return FreeBytes(path) }

// Memory of the machine in bytes.
func (*Here) Memory() (int64, error) { return MemoryBytes() }

// Meet keeps ports open for peers. See Meeting.
func (h *Here) Meet(ports []int, peers []netip.Addr) error { return h.meeting.Meet(ports, peers) }

// Part closes them.
func (h *Here) Part() { h.meeting.Part() }

// Probe a peer's port. See Probe.
func (*Here) Probe(ctx context.Context, addr string, nonce []byte, connectAlone bool) error {
	return Probe(ctx, addr, nonce, connectAlone)
}

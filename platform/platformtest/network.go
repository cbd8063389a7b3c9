package platformtest

import (
	"context"
	"net/netip"
	"sync"
)

// Network of a machine.
type Network struct {
	Hook Hook

	mu        sync.Mutex
	addresses []netip.Addr
	listening map[string]bool
}

// SetAddresses replaces the machine's addresses; the first is the default route's.
func (n *Network) SetAddresses(addrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.addresses = nil
	for _, a := range addrs {
		n.addresses = append(n.addresses, netip.MustParseAddr(a))
	}
}

// Listen says whether somebody listens on "host:port".
func (n *Network) Listen(addr string, yes bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listening == nil {
		n.listening = map[string]bool{}
	}
	n.listening[addr] = yes
}

// Addresses of the machine.
func (n *Network) Addresses() (addrs []netip.Addr, err error) {
	err = n.Hook.do("addresses", func() error {
		n.mu.Lock()
		defer n.mu.Unlock()
		addrs = append(addrs, n.addresses...)
		return nil
	})
	return addrs, err
}

// Listening tells whether somebody accepts on addr.
func (n *Network) Listening(_ context.Context, addr string) (yes bool) {
	_ = n.Hook.do("listening "+addr, func() error { // a cut call saw nobody
		n.mu.Lock()
		defer n.mu.Unlock()
		yes = n.listening[addr]
		return nil
	})
	return yes
}

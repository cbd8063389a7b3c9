package platform

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

const dialTimeout = 2 * time.Second

// Network of this machine.
type Network struct{}

// Addresses lists the global unicast addresses of interfaces that are up: the one that the kernel uses towards the default route first, then IPv4 before IPv6.
func (Network) Addresses() ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("listing interfaces: %w", err)
	}
	var addrs []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		prefixes, err := i.Addrs()
		if err != nil {
			continue // the interface went away between the two calls
		}
		for _, p := range prefixes {
			if prefix, err := netip.ParsePrefix(p.String()); err == nil && prefix.Addr().IsGlobalUnicast() {
				addrs = append(addrs, prefix.Addr().Unmap())
			}
		}
	}
	return order(addrs, preferred()), nil
}

func order(addrs []netip.Addr, first netip.Addr) []netip.Addr {
	slices.SortStableFunc(addrs, func(a, b netip.Addr) int {
		return cmp.Compare(rank(a, first), rank(b, first))
	})
	return slices.Compact(addrs)
}

func rank(a, first netip.Addr) int {
	switch {
	case a == first:
		return 0
	case a.Is4():
		return 1
	}
	return 2
}

// preferred asks the kernel which source address it would take: connecting a UDP socket sends nothing. The targets are documentation addresses
// (RFC 5737, RFC 3849), which only a default route leads to.
func preferred() netip.Addr {
	for _, target := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} {
		conn, err := net.Dial("udp", target)
		if err != nil {
			continue
		}
		local, ok := conn.LocalAddr().(*net.UDPAddr)
		conn.Close()
		if ok {
			return local.AddrPort().Addr().Unmap()
		}
	}
	return netip.Addr{}
}

// Listening tells whether somebody accepts TCP connections on "host:port".
func (Network) Listening(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

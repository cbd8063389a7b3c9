package client

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"time"
)

// knockLimit is how long a host that is gone may take to say nothing.
const knockLimit = 3 * time.Second

// Knock says whether somebody listens at a server's URL: a connection that is opened and closed, and nothing is said over it.
func Knock(ctx context.Context, server string) error {
	u, err := url.Parse(server)
	if err != nil {
		return fmt.Errorf("knocking: %w", err)
	}
	conn, err := (&net.Dialer{Timeout: knockLimit}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "443")))
	if err != nil {
		return fmt.Errorf("knocking at %s: %w", u.Host, err)
	}
	return conn.Close()
}

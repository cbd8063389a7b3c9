//go:build nodes

package cases_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

// squatter has the SDS's port before we come: PID 1 itself listens there.
const squatter = "[Socket]\nListenStream=7072\nAccept=yes\n"

// TestPreflight: a port that is taken on one node, a route that ends nowhere on another and a cable that swallows full-size packets are found and told before anything is installed anywhere.
func TestPreflight(t *testing.T) {
	s := up(t, "preflight", cases.Config{Prepare: func(node *nodes.Node) error {
		if node.Name != "n1" {
			return nil
		}
		if err := node.WriteFile("/etc/systemd/system/squatter.socket", []byte(squatter), 0o644); err != nil {
			return err
		}
		if err := node.WriteFile("/etc/systemd/system/squatter@.service", []byte("[Service]\nExecStart=/bin/true\n"), 0o644); err != nil {
			return err
		}
		return node.Link("/etc/systemd/system/sockets.target.wants/squatter.socket", "../squatter.socket")
	}})
	first, second := s.Nodes()[0], s.Nodes()[1]

	wants := func(name, reason, text string) {
		t.Helper()
		require.NoError(t, cases.Eventually(within(t, 3*time.Minute), func(ctx context.Context) error {
			status, err := s.Status(ctx)
			if err != nil {
				return err
			}
			for _, n := range status.Nodes {
				for _, c := range n.Conditions {
					if n.Hostname == name && c.Type == "check-peers" && c.Reason == reason && strings.Contains(c.Message, text) {
						return nil
					}
				}
			}
			return fmt.Errorf("no node %s with %s (%s): %+v", name, reason, text, status.Nodes)
		}))
	}
	wants(first.Name, "PortTaken", "7072 is taken by systemd")
	wants(second.Name, "PortForeign", ":7072 of")
	for _, n := range s.Nodes() {
		listed, err := n.Output(t.Context(), "dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n")
		require.NoError(t, err)
		for _, name := range []string{"scaleio", "openjdk"} {
			require.NotContains(t, listed, name, "nothing is installed anywhere")
		}
	}

	third := s.Nodes()[2]
	address := third.Address
	_, err := second.Output(t.Context(), "ip", "route", "add", "unreachable", address+"/32")
	require.NoError(t, err)
	_, err = first.Output(t.Context(), "systemctl", "stop", "squatter.socket")
	require.NoError(t, err)
	wants(second.Name, "PortUnreachable", address)

	require.NoError(t, second.PacketsOneByOne(t.Context()))
	require.NoError(t, third.PacketsOneByOne(t.Context()))
	require.NoError(t, third.NarrowNetwork(t.Context(), 1200))
	_, err = second.Output(t.Context(), "ip", "route", "del", "unreachable", address+"/32")
	require.NoError(t, err)
	wants(second.Name, "MTUTooSmall", address)

	require.NoError(t, third.NarrowNetwork(t.Context(), 1500))
	require.NoError(t, s.WaitReady(within(t, 5*time.Minute), nil))
}

package test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/aws"
	dev "scaleio-framework/test/aws"
	"scaleio-framework/test/aws/imds"
)

// Amazon's own mock of the metadata service: what it shows isn't our reading of the documentation. Failures that it can't show have their tests in platform/aws
// and with test/aws/imds.
func TestMetadata_asAmazonMocksIt(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "ec2-metadata-mock")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/aws/amazon-ec2-metadata-mock/cmd/ec2-metadata-mock")
	build.Dir = "metadatamock"
	output, err := build.CombinedOutput()
	require.NoError(t, err, string(output))

	for name, c := range map[string]struct {
		arguments []string
		notices   []string // kind and what
	}{
		"spot":      {[]string{"spot", "--action", "stop"}, []string{"spot-interruption stop", "rebalance rebalance"}},
		"events":    {[]string{"events", "--code", "instance-retirement"}, []string{"maintenance instance-retirement"}},
		"lifecycle": {[]string{"asglifecycle"}, []string{"target-lifecycle Terminated"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			metadata := aws.NewMetadata(aws.Place{}, mocked(t, binary, c.arguments...))
			seen, err := metadata.Look(t.Context())
			require.NoError(t, err)
			assert.True(t, aws.IsInstanceID(seen.ID))
			assert.NotEmpty(t, seen.Type)
			assert.NotEmpty(t, seen.Region)
			assert.Contains(t, seen.Zone, seen.Region)
			interfaces, err := metadata.Interfaces(t.Context())
			require.NoError(t, err)
			assert.Positive(t, interfaces)
			found, err := metadata.Notices(t.Context())
			require.NoError(t, err)
			var notices []string
			for _, n := range found {
				notices = append(notices, n.Kind+" "+n.What)
			}
			assert.Equal(t, c.notices, notices)
		})
	}
}

// mocked starts it, tokens required, and gives its endpoint.
func mocked(t *testing.T, binary string, arguments ...string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	cmd := exec.CommandContext(ctx, binary, append(arguments, "--imdsv2", "--hostname", "127.0.0.1", "--port", port)...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	require.Eventually(t, func() bool {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	}, 10*time.Second, 20*time.Millisecond)
	return "http://" + address
}

// The metadata service fails in each way that the stand-in knows, and comes back: who this is stays known, the reason is named, and nothing is bought meanwhile by a machine that was never
// verified.
func TestMetadata_troubles(t *testing.T) {
	for want, trouble := range map[string]imds.Trouble{
		aws.ReasonHopLimit:        {HopLimit: true},
		aws.ReasonSlow:            {Silent: true, Path: "identity"},
		aws.ReasonUnauthorized:    {Status: http.StatusUnauthorized},
		aws.ReasonForbidden:       {Status: http.StatusForbidden},
		aws.ReasonNotFound:        {Status: http.StatusNotFound},
		aws.ReasonFailing:         {Status: http.StatusServiceUnavailable},
		aws.ReasonBlank:           {Blank: true},
		aws.ReasonUnreadable:      {Body: "<html>log in</html>"},
		aws.ReasonInstanceChanged: {As: "another"},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			cloud := dev.New(dev.Config{})
			t.Cleanup(cloud.Close)
			node, other := cloud.AddInstance(dev.InstanceSpec{}), cloud.AddInstance(dev.InstanceSpec{})
			service := imds.New(cloud)
			server := httptest.NewServer(service.For(node.ID))
			t.Cleanup(server.Close)
			if trouble.As != "" {
				trouble.As = other.ID
			}
			files := platform.NewFiles(platform.Root(t.TempDir()))
			machine := func() *aws.Machine {
				m, err := aws.NewMachine(files, "/state/instance.json", aws.Place{}, server.URL)
				require.NoError(t, err)
				return m
			}
			if want != aws.ReasonInstanceChanged {
				service.SetTrouble(node.ID, trouble)
				m := machine()
				assert.Equal(t, want, m.Look(t.Context()).Reason)
				_, err := m.Instance(t.Context())
				require.ErrorIs(t, err, aws.ErrUnverified)
				_, err = m.Volumes(aws.Access{Endpoint: "http://127.0.0.1:1"}).Create(t.Context(), aws.NewVolume{ClientToken: "t", Zone: "z", Type: "gp3", SizeGiB: 1, Tags: map[string]string{"a": "b"}})
				require.ErrorIs(t, err, aws.ErrUnverified)
			}
			service.SetTrouble(node.ID, imds.Trouble{})
			require.True(t, machine().Look(t.Context()).Verified)

			service.SetTrouble(node.ID, trouble)
			known := machine().Look(t.Context())
			assert.Equal(t, want, known.Reason)
			assert.Equal(t, node.ID, known.Instance.ID)
			assert.False(t, known.Verified)

			service.SetTrouble(node.ID, imds.Trouble{})
			known = machine().Look(t.Context())
			assert.True(t, known.Verified)
			assert.Equal(t, node.ID, known.Instance.ID)
		})
	}
}

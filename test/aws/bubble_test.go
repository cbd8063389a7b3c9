package aws_test

import (
	"context"
	"net"
	"net/http"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/aws"
)

// pipes is a listener in memory: in a bubble of package synctest a socket would never be idle.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// newBubbleStand is newStand for a test in a bubble.
func newBubbleStand(t *testing.T, config aws.Config) *stand {
	t.Helper()
	s := &stand{disks: aws.NewMemory()}
	config.Backend = s.disks
	s.Cloud = aws.New(config)
	s.node = s.AddInstance(aws.InstanceSpec{Zone: zone, Tags: map[string]string{cluster: "c1"}})
	transport := inMemory(t, s.Cloud)
	keys, err := s.Credentials(s.node.ID)
	require.NoError(t, err)
	s.Client = ec2.New(ec2.Options{
		Region: "eu-central-1", BaseEndpoint: sdk.String("http://ec2"), RetryMaxAttempts: 1, HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKey, keys.Secret, keys.Token),
	})
	t.Cleanup(s.Close)
	return s
}

// inMemory is a way to a server that this makes.
func inMemory(t *testing.T, h http.Handler) *http.Transport {
	t.Helper()
	listener := make(pipes)
	server := &http.Server{Handler: h}
	go func() { _ = server.Serve(listener) }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		near, far := net.Pipe()
		select {
		case listener <- far:
			return near, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		close(listener)
		_ = server.Close()
	})
	return transport
}

package serial_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/vm/serial"
)

func pair(t *testing.T) (*serial.Client, net.Conn) {
	t.Helper()
	host, machine := net.Pipe()
	client := serial.NewClient(host)
	t.Cleanup(func() { _ = client.Close(); _ = machine.Close() })
	return client, machine
}

func TestRun(t *testing.T) {
	client, machine := pair(t)
	go func() { _ = serial.Serve(machine, serial.Hello{BootID: "b", Kernel: "6.1"}) }()
	hello, err := client.Greeting(t.Context())
	require.NoError(t, err)
	assert.Equal(t, serial.Hello{BootID: "b", Kernel: "6.1"}, hello)

	r, err := client.Run(t.Context(), time.Minute, []byte("in\n"), "cat")
	require.NoError(t, err)
	assert.Equal(t, "in\n", string(r.Stdout))
	r, err = client.Run(t.Context(), time.Minute, nil, "false")
	require.NoError(t, err)
	assert.Equal(t, 1, r.Code)
	_, err = client.Run(t.Context(), time.Minute, nil, "/no/such/command")
	assert.ErrorContains(t, err, "/no/such/command")
	_, err = client.Run(t.Context(), 10*time.Millisecond, nil, "sleep", "60")
	assert.ErrorContains(t, err, "not ended within 10ms")
	r, err = client.Run(t.Context(), time.Minute, nil, "echo", "again")
	require.NoError(t, err, "the line serves on")
	assert.Equal(t, "again\n", string(r.Stdout))
}

func TestRun_passesOverWhatIsNoMessage(t *testing.T) {
	client, machine := pair(t)
	go func() {
		_, _ = machine.Write([]byte("[    1.0] random: crng init done\r\n\r\n"))
		_ = serial.Serve(machine, serial.Hello{BootID: "b"})
	}()
	hello, err := client.Greeting(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "b", hello.BootID)
}

func TestRun_endsWithTheLine(t *testing.T) {
	client, machine := pair(t)
	go func() {
		_, _ = machine.Read(make([]byte, 1))
		_ = machine.Close()
	}()
	_, err := client.Run(t.Context(), time.Minute, nil, "true")
	assert.ErrorIs(t, err, serial.ErrEnded)
	_, err = client.Greeting(context.Background())
	assert.ErrorIs(t, err, serial.ErrEnded)
}

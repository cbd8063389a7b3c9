package qmp_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/vm/qmp"
)

const greeting = `{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": ["oob"]}}` + "\r\n"

// speaker plays qemu with lines as 7.2 writes them: for each command, what follows.
func speaker(t *testing.T, says map[string]string) *qmp.Client {
	t.Helper()
	host, machine := net.Pipe()
	t.Cleanup(func() { _ = host.Close(); _ = machine.Close() })
	go func() {
		_, _ = io.WriteString(machine, greeting)
		in := bufio.NewScanner(machine)
		for in.Scan() {
			for command, answer := range says {
				if strings.Contains(in.Text(), `"execute":"`+command+`"`) {
					_, _ = io.WriteString(machine, answer)
				}
			}
		}
	}()
	c, err := qmp.New(t.Context(), host)
	require.NoError(t, err)
	return c
}

func TestExecute(t *testing.T) {
	c := speaker(t, map[string]string{
		"qmp_capabilities": `{"return": {}}` + "\r\n",
		"device_add":       `{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RESUME"}` + "\r\n" + `{"error": {"class": "GenericError", "desc": "Bus 'rp9' not found"}}` + "\r\n",
		"query-status":     `{"return": {"status": "running"}}` + "\r\n",
		"device_del": `{"return": {}}` + "\r\n" + `{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "ACPI_DEVICE_OST", "data": {}}` + "\r\n" +
			`{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "DEVICE_DELETED", "data": {"device": "d1"}}` + "\r\n",
		"quit": "",
	})
	_, err := c.Execute(t.Context(), "device_add", map[string]string{"driver": "nvme"})
	var refused *qmp.Error
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, "Bus 'rp9' not found", refused.Description)

	status, err := c.Execute(t.Context(), "query-status", nil)
	require.NoError(t, err)
	assert.JSONEq(t, `{"status": "running"}`, string(status))

	_, err = c.Execute(t.Context(), "device_del", map[string]string{"id": "d1"})
	require.NoError(t, err)
	event, err := c.Wait(t.Context(), "DEVICE_DELETED")
	require.NoError(t, err)
	assert.JSONEq(t, `{"device": "d1"}`, string(event.Data))

	impatient, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("too late"))
	_, err = c.Execute(impatient, "quit", nil)
	require.ErrorContains(t, err, "too late")
	_, err = c.Execute(t.Context(), "query-status", nil)
	assert.ErrorIs(t, err, qmp.ErrEnded, "an answer that comes late must not be taken for another's")
}

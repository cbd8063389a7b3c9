package platform_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
)

// TestMain lets the test binary stand for the programs that Runner runs.
func TestMain(m *testing.M) {
	switch os.Getenv("PROGRAM") {
	case "":
		os.Exit(m.Run())
	case "env":
		fmt.Println(strings.Join(os.Environ(), "\n"))
	case "fail":
		fmt.Println("said on stdout")
		fmt.Fprintln(os.Stderr, "no such thing")
		os.Exit(7)
	case "flood":
		block := make([]byte, 1<<20)
		for range 10 {
			os.Stdout.Write(block)
		}
	case "hang": // a child of the same group keeps the pipe; both must go
		child, err := os.StartProcess(os.Args[0], os.Args[:1], &os.ProcAttr{Env: []string{"PROGRAM=sleep"}, Files: []*os.File{nil, os.Stdout, nil}})
		if err != nil {
			os.Exit(1)
		}
		os.WriteFile(os.Getenv("PIDFILE"), []byte(strconv.Itoa(child.Pid)), 0o600)
		select {}
	case "sleep":
		time.Sleep(time.Minute)
	case "echo":
		var in [64]byte
		n, _ := os.Stdin.Read(in[:])
		os.Stdout.Write(in[:n])
	}
}

func program(name string) platform.Cmd {
	return platform.Cmd{Path: os.Args[0], Env: map[string]string{"PROGRAM": name}}
}

func TestRunner_environmentIsFixed(t *testing.T) {
	t.Setenv("SECRET_OF_THE_PARENT", "1")
	cmd := program("env")
	cmd.Env["MDM_IP"] = "10.0.0.1,10.0.0.2"
	out, err := platform.Runner{}.Run(t.Context(), cmd)
	require.NoError(t, err)
	assert.NotContains(t, string(out.Stdout), "SECRET_OF_THE_PARENT")
	for _, want := range []string{"LC_ALL=C\n", "PATH=/usr/local/sbin:", "MDM_IP=10.0.0.1,10.0.0.2\n"} {
		assert.Contains(t, string(out.Stdout), want)
	}
}

func TestRunner_exitError(t *testing.T) {
	_, err := platform.Runner{}.Run(t.Context(), program("fail"))
	var exit *platform.ExitError
	require.ErrorAs(t, err, &exit)
	assert.Equal(t, 7, exit.Code)
	assert.Equal(t, "said on stdout", exit.Stdout)
	assert.True(t, strings.HasPrefix(exit.Stderr, "no such thing"), exit.Stderr)
	assert.Contains(t, err.Error(), "exit status 7: no such thing")
}

func TestRunner_stdin(t *testing.T) {
	cmd := program("echo")
	cmd.Stdin = []byte("hello")
	out, err := platform.Runner{}.Run(t.Context(), cmd)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(out.Stdout))
}

func TestRunner_deadlineKillsTheGroup(t *testing.T) {
	pidfile := t.TempDir() + "/pid"
	cmd := program("hang")
	cmd.Env["PIDFILE"] = pidfile
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("asked to stop")
	done := make(chan error, 1)
	go func() {
		_, err := platform.Runner{}.Run(ctx, cmd)
		done <- err
	}()
	var pid int
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(pidfile)
		pid, _ = strconv.Atoi(string(text))
		return err == nil && pid > 0
	}, 5*time.Second, time.Millisecond)
	cancel(gone)
	require.ErrorIs(t, <-done, gone)
	assert.Eventually(t, func() bool { // killed; whoever is init here may take its time to reap it
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || strings.Contains(string(stat), ") Z ") || syscall.Kill(pid, 0) != nil
	}, 5*time.Second, time.Millisecond)
}

func TestRunner_timeout(t *testing.T) {
	cmd := program("sleep")
	cmd.Timeout = 20 * time.Millisecond
	_, err := platform.Runner{}.Run(t.Context(), cmd)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestRunner_boundedOutput(t *testing.T) {
	_, err := platform.Runner{}.Run(t.Context(), program("flood"))
	require.ErrorContains(t, err, "printed more than")
}

func TestRunner_notFound(t *testing.T) {
	for _, path := range []string{"/nonexistent/tool", "no-such-tool-anywhere", "/etc/passwd"} {
		_, err := platform.Runner{}.Run(t.Context(), platform.Cmd{Path: path})
		require.ErrorIs(t, err, platform.ErrNotFound, path)
	}
}

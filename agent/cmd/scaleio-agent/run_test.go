package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	lives   = "BEGIN_ANEW_LIVES"
	stopped = "BEGIN_ANEW_STOPPED"
)

// live is one life of a daemon: it notes who it is, and the first begins anew.
func live(t *testing.T, file string) {
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	before, _ := os.ReadFile(file)
	if len(before) > 0 { // a person's `systemctl reload`, before it listens
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP))
	}
	name, err := os.ReadFile("/proc/self/comm")
	require.NoError(t, err)
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = fmt.Fprintf(f, "%d %s %s\n", os.Getpid(), strings.TrimSpace(string(name)), strings.Join(os.Args, " "))
	require.NoError(t, err)
	if len(before) > 0 {
		return
	}
	if os.Getenv(stopped) != "" {
		require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
		<-ctx.Done()
		require.ErrorIs(t, beginAnew(ctx), context.Canceled)
		return
	}
	require.NoError(t, beginAnew(ctx))
}

// livesOf a daemon that runs in a process of its own.
func livesOf(t *testing.T, test string, env ...string) (pid int, all []string) {
	file := filepath.Join(t.TempDir(), "lives")
	child := exec.Command(os.Args[0], "-test.run=^"+test+"$")
	child.Env = append(append(os.Environ(), lives+"="+file), env...)
	out, err := child.CombinedOutput()
	require.NoError(t, err, string(out))
	said, err := os.ReadFile(file)
	require.NoError(t, err)
	return child.Process.Pid, strings.Split(strings.TrimSpace(string(said)), "\n")
}

// A daemon that begins anew keeps its process id, name, arguments and environment: whoever watches it sees no end, and a person who asks for a look meanwhile makes none.
func TestBeginAnew_isTheSameProcess(t *testing.T) {
	if file := os.Getenv(lives); file != "" {
		live(t, file)
		return
	}
	socket := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	require.NoError(t, err)
	defer func() { _ = systemd.Close() }()
	pid, all := livesOf(t, t.Name(), "NOTIFY_SOCKET="+socket)
	require.Len(t, all, 2)
	assert.Equal(t, all[0], all[1])
	assert.True(t, strings.HasPrefix(all[0], fmt.Sprint(pid)+" "))
	word := make([]byte, 100)
	require.NoError(t, systemd.SetReadDeadline(time.Now().Add(time.Second)))
	n, err := systemd.Read(word)
	require.NoError(t, err)
	assert.Equal(t, "WATCHDOG=1", string(word[:n]), "the watchdog's time goes on through a beginning")
}

// `systemctl stop`, or a restart, that comes while the daemon is on its way to begin anew ends it.
func TestBeginAnew_isNoWayAroundAStop(t *testing.T) {
	if file := os.Getenv(lives); file != "" {
		live(t, file)
		return
	}
	_, all := livesOf(t, t.Name(), stopped+"=yes")
	assert.Len(t, all, 1)
}

package preflight

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var loopback = []netip.Addr{netip.MustParseAddr("127.0.0.1")}

// freePort of this machine: nobody has it now.
func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func at(port int) string { return netip.AddrPortFrom(loopback[0], uint16(port)).String() }

func TestMeeting_peersReachEachOther(t *testing.T) {
	port := freePort(t)
	var m Meeting
	require.ErrorIs(t, Probe(t.Context(), at(port), []byte("n"), false), ErrRefused)
	require.NoError(t, m.Meet([]int{port}, loopback))
	require.NoError(t, m.Meet([]int{port}, loopback), "again: it stays open")
	assert.NoError(t, Probe(t.Context(), at(port), []byte("n"), false))
	m.Part()
	assert.ErrorIs(t, Probe(t.Context(), at(port), []byte("n"), false), ErrRefused, "nothing stays open")
}

func TestMeeting_strangersGetNothing(t *testing.T) {
	port := freePort(t)
	var m Meeting
	defer m.Part()
	require.NoError(t, m.Meet([]int{port}, []netip.Addr{netip.MustParseAddr("192.0.2.1")}))
	assert.ErrorIs(t, Probe(t.Context(), at(port), []byte("n"), false), ErrStranger)
}

// Whoever sends without end gets a bounded answer.
func TestMeeting_answersSoMuchAndNoMore(t *testing.T) {
	port := freePort(t)
	var m Meeting
	defer m.Part()
	require.NoError(t, m.Meet([]int{port}, loopback))
	conn, err := net.Dial("tcp", at(port))
	require.NoError(t, err)
	defer conn.Close()
	got := make(chan int)
	go func() {
		total, buf := 0, make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if total += n; err != nil {
				got <- total
				return
			}
		}
	}()
	for range 64 {
		if _, err := conn.Write(make([]byte, 4096)); err != nil {
			break
		}
	}
	assert.LessOrEqual(t, <-got, conversation)
}

func TestMeeting_aTakenPortIsNamedWithItsProgram(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	defer l.Close()
	var m Meeting
	defer m.Part()
	err = m.Meet([]int{l.Addr().(*net.TCPAddr).Port}, loopback)
	var taken *TakenError
	require.ErrorAs(t, err, &taken)
	assert.Contains(t, taken.By, "preflight.test")
}

// What listens and doesn't speak like us is somebody else.
func TestProbe_aStrangerIsTold(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write(make([]byte, nonceBytes))
			conn.Close()
		}
	}()
	assert.ErrorIs(t, Probe(t.Context(), l.Addr().String(), []byte("n"), false), ErrStranger)
	assert.NoError(t, Probe(t.Context(), l.Addr().String(), []byte("n"), true))
}

func TestMemory(t *testing.T) {
	bytes, err := memory([]byte("MemFree: 1 kB\nMemTotal:       16384 kB\n"))
	require.NoError(t, err)
	assert.EqualValues(t, 16<<20, bytes)
	_, err = memory([]byte("MemFree: 1 kB\n"))
	assert.Error(t, err)
	bytes, err = MemoryBytes()
	require.NoError(t, err)
	assert.Positive(t, bytes)
}

func TestFreeBytes_ofAFolderThatIsToCome(t *testing.T) {
	free, err := FreeBytes(t.TempDir() + "/not/yet")
	require.NoError(t, err)
	assert.Positive(t, free)
}

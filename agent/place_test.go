package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd/systemdtest"
)

const binary = "an agent's binary"

func digestOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// placement is what a task of cluster c1 brings.
func placement(t *testing.T, change ...func(map[string]string)) Placement {
	t.Helper()
	env := map[string]string{api.EnvCluster: "c1", api.EnvServers: "https://10.0.0.1:9443, https://10.0.0.2:9443", api.EnvCA: "ca", api.EnvToken: "t0ken", api.EnvSHA256: digestOf(binary)}
	for _, c := range change {
		c(env)
	}
	p, err := PlacementFrom(func(name string) string { return env[name] }, "/sandbox/scaleio-agent", []byte("[Service]\n"))
	require.NoError(t, err)
	return p
}

func placer() (*Placer, *platformtest.Files, *systemdtest.Units) {
	files, units := platformtest.NewFiles(), &systemdtest.Units{}
	files.Hook = func(call string, effect func() error) error {
		err := effect()
		if err == nil && call == "write "+UnitFile {
			units.Lay(Unit)
		}
		return err
	}
	return &Placer{Files: files, Units: units, Log: slog.New(slog.DiscardHandler), Read: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(binary)), nil }}, files, units
}

func TestPlace_installsAndStarts(t *testing.T) {
	p, files, units := placer()
	require.NoError(t, p.Place(t.Context(), placement(t)))

	state, err := units.State(t.Context(), Unit)
	require.NoError(t, err)
	assert.Equal(t, "active", state.Active)
	assert.Equal(t, "enabled", state.Enabled)
	data, err := files.Read(InstallDir + "/current/scaleio-agent")
	require.NoError(t, err)
	assert.Equal(t, binary, string(data))
	mode, _, err := files.Stat(TokenFile)
	require.NoError(t, err)
	assert.EqualValues(t, 0o600, mode.Perm(), "the token is a secret")
	config, err := files.Read(ConfigFile)
	require.NoError(t, err)
	parsed, err := ParseConfig(config)
	require.NoError(t, err)
	assert.Equal(t, []string{"https://10.0.0.1:9443", "https://10.0.0.2:9443"}, parsed.Servers)
}

func TestPlace_adoptsWhatRuns(t *testing.T) {
	p, files, units := placer()
	require.NoError(t, p.Place(t.Context(), placement(t)))
	files.Set(certFile, "joined", 0o600)
	before, _ := units.State(t.Context(), Unit)
	tree := files.Tree("/")
	tree[TokenFile] = "another task's\n" // it joins again with that, if its certificate isn't good any more
	require.NoError(t, p.Place(t.Context(), placement(t, func(env map[string]string) { env[api.EnvToken] = "another task's" })))
	after, _ := units.State(t.Context(), Unit)
	assert.Equal(t, before.MainPID, after.MainPID, "a running daemon of the same version is not restarted")
	assert.Equal(t, tree, files.Tree("/"))
}

func TestPlace_upgradesInPlace(t *testing.T) {
	p, files, units := placer()
	require.NoError(t, p.Place(t.Context(), placement(t)))
	before, _ := units.State(t.Context(), Unit)
	newer := "a newer binary"
	p.Read = func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(newer)), nil }
	require.NoError(t, p.Place(t.Context(), placement(t, func(env map[string]string) { env[api.EnvSHA256] = digestOf(newer) })))
	after, _ := units.State(t.Context(), Unit)
	assert.NotEqual(t, before.MainPID, after.MainPID)
	data, err := files.Read(InstallDir + "/current/scaleio-agent")
	require.NoError(t, err)
	assert.Equal(t, newer, string(data))
}

func TestPlace_refusesBeforeAnythingIsTouched(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*platformtest.Files, *systemdtest.Units)
		change  func(map[string]string)
		says    string
	}{
		"another binary than announced": {change: func(env map[string]string) { env[api.EnvSHA256] = digestOf("x") }, says: "SHA-256"},
		"a node of another cluster": {prepare: func(f *platformtest.Files, _ *systemdtest.Units) {
			f.Set(ConfigFile, "cluster: other\nservers: [https://s:1]\n", 0o644)
		}, says: "belongs to cluster other"},
		"a configuration it can't read": {prepare: func(f *platformtest.Files, _ *systemdtest.Units) { f.Set(ConfigFile, "clusterr: c1\n", 0o644) }, says: "clusterr"},
	} {
		t.Run(name, func(t *testing.T) {
			p, files, units := placer()
			if c.prepare != nil {
				c.prepare(files, units)
			}
			before := files.Tree("/")
			var changes []func(map[string]string)
			if c.change != nil {
				changes = append(changes, c.change)
			}
			err := p.Place(t.Context(), placement(t, changes...))
			require.ErrorIs(t, err, ErrRefused)
			assert.Contains(t, err.Error(), c.says)
			assert.Equal(t, before, files.Tree("/"))
		})
	}
}

func TestPlacementFrom_namesEverythingMissing(t *testing.T) {
	_, err := PlacementFrom(func(string) string { return "" }, "", nil)
	require.Error(t, err)
	for _, name := range []string{api.EnvCluster, api.EnvServers, api.EnvCA, api.EnvToken, api.EnvSHA256} {
		assert.Contains(t, err.Error(), name)
	}
}

// A killed task must not stop storage: Mirror just ends.
func TestMirror_endsWithItsTaskAndLeavesTheUnit(t *testing.T) {
	p, _, units := placer()
	require.NoError(t, p.Place(t.Context(), placement(t)))
	ctx, cancel := context.WithCancel(t.Context())
	err := p.Mirror(ctx, func(context.Context) (bool, string) { cancel(); return true, "ready" })
	require.NoError(t, err)
	state, _ := units.State(t.Context(), Unit)
	assert.Equal(t, "active", state.Active)
}

// A binary that was labelled before its unit starts; where labelling fails, starting is tried all the same.
func TestPlace_labelsBeforeItStarts(t *testing.T) {
	for _, fails := range []error{nil, errors.New("no policy")} {
		p, files, units := placer()
		var labelled []string
		p.Label = func(_ context.Context, dir string) error {
			assert.Zero(t, units.Count("start", Unit))
			_, _, err := files.Stat(dir + "/" + digestOf(binary) + "/scaleio-agent")
			require.NoError(t, err)
			labelled = append(labelled, dir)
			return fails
		}
		require.NoError(t, p.Place(t.Context(), placement(t)))
		assert.Equal(t, []string{"/opt/scaleio-agent/bin"}, labelled)
		assert.Equal(t, 1, units.Count("start", Unit))
	}
}

// What an operator set on this machine no task brings, and none takes away.
func TestPlace_keepsTheMachinesSettings(t *testing.T) {
	p, files, _ := placer()
	files.Set(ConfigFile, "metadataEndpoint: http://10.0.0.1\nebsModel: Other Block Store\n", 0o644)
	require.NoError(t, p.Place(t.Context(), placement(t)))
	config, err := configured(files)
	require.NoError(t, err)
	assert.Equal(t, "http://10.0.0.1", config.MetadataEndpoint)
	assert.Equal(t, "Other Block Store", EBSModel(files))
}

// A task looks at a daemon that is well far less often than at one that isn't, and says that one is down for good as soon as before.
func TestMirror_looksMoreOftenWhileSomethingIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, units := placer()
		require.NoError(t, p.Place(t.Context(), placement(t)))
		var looks atomic.Int32
		var ready atomic.Bool
		ready.Store(true)
		ended := make(chan error)
		go func() {
			ended <- p.Mirror(t.Context(), func(context.Context) (bool, string) { looks.Add(1); return ready.Load(), "" })
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.InDelta(t, time.Minute/mirrorCalm, looks.Swap(0), 1)
		ready.Store(false)
		time.Sleep(mirrorCalm + time.Minute)
		synctest.Wait()
		assert.InDelta(t, time.Minute/mirrorEvery, looks.Load(), 6)
		units.Kill(Unit)
		began := time.Now()
		require.Error(t, <-ended)
		assert.InDelta(t, goneLimit.Seconds(), time.Since(began).Seconds(), 2*mirrorEvery.Seconds())
	})
}

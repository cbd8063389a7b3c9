package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	"scaleio-framework/platform/platformtest"
	"scaleio-framework/scheduler/api"
)

// bare is the agent of a machine that nobody told anything.
func bare(t *testing.T) (*Agent, *platformtest.Files) {
	t.Helper()
	files := platformtest.NewFiles()
	a, err := New(Options{Version: "test", Identity: api.Identity{ID: "n1"}, Files: files, Steps: fakeSteps{}, Notify: func(string) {}, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return a, files
}

func agentYAML(t *testing.T, cluster, token string) string {
	t.Helper()
	c := Config{Cluster: cluster, Servers: []string{"https://s:1"}, CA: testCA(t, cluster), Token: api.NewSecret(token)}
	data, err := c.Marshal()
	require.NoError(t, err)
	return string(data)
}

// whyNot asks /readyz, as a person on the network would.
func whyNot(t *testing.T, a *Agent) []Unmet {
	t.Helper()
	w := httptest.NewRecorder()
	a.readyz(w, nil)
	var r Readiness
	require.NoError(t, json.NewDecoder(w.Body).Decode(&r))
	assert.Equal(t, r.Ready, w.Code == http.StatusOK)
	return r.Unmet
}

func notJoined(reason string) []Unmet {
	return []Unmet{{api.ConditionNotJoined, api.True, reason}}
}

func answering() *fakeScheduler {
	return &fakeScheduler{answer: func(int, api.Report) (api.Answer, error) { return answerOf(1), nil }}
}

// A machine that Ignition gave a unit and nothing else waits, and is what it was when `place` comes.
func TestJoin_waitsForPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, files := bare(t)
		s, f := newSigner(t), answering()
		a.Join = s.join
		linked(t, a, f)
		time.Sleep(time.Hour)
		assert.Equal(t, notJoined("NoConfiguration"), whyNot(t, a))
		assert.Empty(t, s.joins())
		before := a.Identity.AgentUUID

		p, _, units := placer()
		p.Files = files
		files.Set(UnitFile, "[Service]\n", 0o644) // as Ignition left it
		files.Set(InstallDir+"/bin/"+digestOf(binary)+"/scaleio-agent", binary, 0o755)
		require.NoError(t, files.Symlink(InstallDir+"/bin/"+digestOf(binary), InstallDir+"/current"))
		units.Add(Unit)
		require.NoError(t, units.Start(t.Context(), Unit))
		running, err := units.State(t.Context(), Unit)
		require.NoError(t, err)
		require.NoError(t, p.Place(t.Context(), placement(t, func(env map[string]string) { env[api.EnvCA] = testCA(t, "c1") })))
		after, err := units.State(t.Context(), Unit)
		require.NoError(t, err)
		assert.Equal(t, running.MainPID, after.MainPID, "adopted, and not even started anew")

		time.Sleep(2 * localLook)
		require.Len(t, s.joins(), 1)
		assert.Equal(t, "t0ken", s.joins()[0].Token)
		assert.Equal(t, before, s.joins()[0].Node.AgentUUID)
		assert.Empty(t, whyNot(t, a))
		assert.NotNil(t, a.spec())
	})
}

func TestJoin_byTheTokenOfAgentYAML(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, files := bare(t)
		s, f := newSigner(t), answering()
		a.Join = s.join
		linked(t, a, f)
		time.Sleep(time.Second)
		files.Set(ConfigFile, agentYAML(t, "c1", ""), 0o600)
		time.Sleep(2 * localLook)
		assert.Equal(t, notJoined("NoToken"), whyNot(t, a))
		text := agentYAML(t, "c1", "enrolment")
		files.Set(ConfigFile, text, 0o600)
		time.Sleep(2 * localLook)
		require.Len(t, s.joins(), 1)
		assert.Equal(t, "enrolment", s.joins()[0].Token)
		data, err := files.Read(ConfigFile)
		require.NoError(t, err)
		assert.Equal(t, text, string(data), "the configuration is the operator's")
		time.Sleep(time.Hour)
		assert.Len(t, s.joins(), 1)
	})
}

func TestJoin_saysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		yaml, ca string
		mode     os.FileMode
		reason   string
		says     string
	}{
		"a misspelt key":            {"clusterr: c1\n", "", 0o600, "BadConfiguration", "clusterr"},
		"half of it":                {"cluster: c1\n", "", 0o600, "BadConfiguration", "servers: missing"},
		"no CA":                     {"cluster: c1\nservers: [https://s:1]\ntoken: t\n", "", 0o600, "BadConfiguration", CAFile},
		"the CA of another cluster": {"cluster: c1\nservers: [https://s:1]\ntoken: t\n", "c2", 0o600, "BadConfiguration", "the CA of cluster c2, not of c1"},
		"everybody may read it":     {"cluster: c1\nservers: [https://s:1]\ntoken: t\n", "c1", 0o644, "BadConfiguration", "chmod 600"},
		"nothing but a comment":     {"# later\n", "", 0o644, "NoConfiguration", "place"},
		"no token":                  {"cluster: c1\nservers: [https://s:1]\n", "c1", 0o644, "NoToken", ConfigFile},
	} {
		t.Run(name, func(t *testing.T) {
			a, files := bare(t)
			files.Set(ConfigFile, c.yaml, c.mode)
			if c.ca != "" {
				files.Set(CAFile, testCA(t, c.ca), 0o644)
			}
			reason, _, err := a.tryJoin(t.Context())
			require.Error(t, err)
			assert.Equal(t, c.reason, reason)
			assert.Contains(t, err.Error(), c.says)
			a.unjoined(reason, err)
			assert.Equal(t, notJoined(c.reason), whyNot(t, a))
			local := a.local()
			assert.Contains(t, local.Conditions[0].Message, c.says, "a person on the node reads all of it")
		})
	}
}

// A node that joined goes on with its last orders, whatever becomes of its configuration; another cluster's never takes it.
func TestJoin_aJoinedNodeStaysItsClusters(t *testing.T) {
	a := testAgent(t)
	_, err := a.take(answerOf(1), time.Now())
	require.NoError(t, err)
	files := a.Files.(*platformtest.Files)
	files.Set(ConfigFile, agentYAML(t, "c2", "t"), 0o600)
	reason, _, err := a.tryJoin(t.Context())
	require.Error(t, err)
	assert.Equal(t, "BadConfiguration", reason)
	assert.Contains(t, err.Error(), "this node belongs to c1")
	assert.NotNil(t, a.spec())
	require.NoError(t, files.Remove(ConfigFile))

	p, _, _ := placer()
	p.Files = files
	err = p.Place(t.Context(), placement(t, func(env map[string]string) { env[api.EnvCluster] = "c2" }))
	require.ErrorIs(t, err, ErrRefused)
	assert.Contains(t, err.Error(), "follows cluster c1")
}

func TestJoin_refusedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, files := bare(t)
		files.Set(ConfigFile, agentYAML(t, "c1", "enrolment"), 0o600)
		s, f := newSigner(t), answering()
		var mu sync.Mutex
		var all []string
		shown := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(all)
		}
		a.Join = func(ctx context.Context, to Target, r api.JoinRequest) (api.JoinAnswer, error) {
			mu.Lock()
			all = append(all, r.Token)
			mu.Unlock()
			switch r.Token {
			case "good":
				return s.join(ctx, to, r)
			case "away":
				return api.JoinAnswer{}, errors.New("connection refused")
			}
			return api.JoinAnswer{}, api.Errorf(api.CodeUnauthorized, "enrolment token has expired")
		}
		linked(t, a, f)
		time.Sleep(10 * time.Minute)
		assert.Equal(t, notJoined("TokenRefused"), whyNot(t, a))
		assert.Less(t, len(shown()), 40, "with pauses")
		a.token(t, "away")
		time.Sleep(time.Minute)
		assert.Equal(t, []string{"away", "enrolment"}, shown()[len(shown())-2:], "a task's token goes first")
		a.token(t, "good")
		time.Sleep(time.Minute)
		assert.Empty(t, whyNot(t, a))
		_, err := a.Files.Read(TokenFile)
		require.ErrorIs(t, err, platform.ErrNotFound)
	})
}

// A node that joined by an enrolment token shows a later task's token, so that the scheduler knows whose task it is. It is refused: once is enough.
func TestJoin_showsTheTasksToken(t *testing.T) {
	for _, refused := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a, files := bare(t)
			files.Set(ConfigFile, agentYAML(t, "c1", "enrolment"), 0o600)
			s, f := newSigner(t), answering()
			a.Join = func(ctx context.Context, to Target, r api.JoinRequest) (api.JoinAnswer, error) {
				answer, err := s.join(ctx, to, r)
				if refused && r.Token == "task" {
					return api.JoinAnswer{}, api.Errorf(api.CodeUnauthorized, "expired")
				}
				return answer, err
			}
			linked(t, a, f)
			time.Sleep(time.Minute)
			require.Len(t, s.joins(), 1)
			key, err := files.Read(keyFile)
			require.NoError(t, err)
			a.token(t, "task")
			time.Sleep(10 * time.Minute)
			require.Len(t, s.joins(), 2)
			assert.Equal(t, "task", s.joins()[1].Token)
			now, err := files.Read(keyFile)
			require.NoError(t, err)
			assert.Equal(t, key, now)
			assert.Empty(t, whyNot(t, a))
			_, err = files.Read(TokenFile)
			assert.Equal(t, refused, err == nil, "one that wasn't taken may be of use when the certificate has expired")
		})
	}
}

func TestParseConfig_namesEveryFault(t *testing.T) {
	_, err := ParseConfig([]byte("servers: [http://plain, 'https://u:p@s']\nca: nonsense\ncaFile: ca.pem\n"))
	require.Error(t, err)
	for _, want := range []string{`"http://plain"`, "ca, caFile", `"ca.pem" is no absolute path`, "ca: no certificate", "cluster: missing"} {
		assert.Contains(t, err.Error(), want)
	}
	for _, good := range []string{"", "# nothing\n", "{}\n", agentYAML(t, "c1", "t")} {
		_, err := ParseConfig([]byte(good))
		assert.NoError(t, err, good)
	}
	c, err := ParseConfig([]byte(agentYAML(t, "c1", "hunter2")))
	require.NoError(t, err)
	assert.Equal(t, "hunter2", c.Token.Reveal())
	assert.False(t, strings.Contains(slog.AnyValue(c).String(), "hunter2"))
}

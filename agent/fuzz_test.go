package agent

import (
	"strings"
	"testing"

	"scaleio-framework/platform/platformtest"
)

// What people write, and what a disk may have made of our own records: told, never a panic, and no secret in the reason.
func FuzzParseConfig(f *testing.F) {
	const secret = "the-token-of-the-test"
	f.Add([]byte("servers: [https://s:9443]\ncluster: c1\ncaFile: /etc/ca.pem\ntoken: the-token-of-the-test\n"))
	f.Add([]byte("cluster: c1\nca: |\n  -----BEGIN CERTIFICATE-----\n  AAAA\n  -----END CERTIFICATE-----\n"))
	f.Add([]byte("token: [the-token-of-the-test, &a *a]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseConfig(text)
		switch {
		case err == nil && !c.empty() && (len(c.Servers) == 0 || !strings.HasPrefix(c.Servers[0], "https://")):
			t.Errorf("%q joins without an https URL", text)
		case err != nil && c.Token.Reveal() == secret && strings.Count(string(text), secret) == 1 && strings.Contains(err.Error(), secret):
			t.Errorf("the reason shows the token: %v", err)
		}
	})
}

func FuzzRecall(f *testing.F) {
	f.Add([]byte(`{"schema":1,"agentUUID":"u","node":"n1","spec":{"node":"n1","version":{"cluster":"c","epoch":1,"generation":1}}}`))
	f.Add([]byte(`{"schema":99,"agentUUID":"u"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		files := platformtest.NewFiles()
		files.Set(stateFile, string(text), 0o600)
		st, err := recall(files)
		if err != nil {
			return
		}
		if st.AgentUUID == "" || st.Schema > stateSchema {
			t.Errorf("%q is taken for a state", text)
		}
		if st.Spec != nil && st.accept(specOf(st.Spec.Version.Cluster+"x", 1<<40, 1), st.Spec.Node) == nil {
			t.Errorf("%q: another cluster's spec is accepted", text)
		}
	})
}

// The record by which an old agent takes its place back names two agents, or is refused: a damaged one switches to nothing.
func FuzzReplacement(f *testing.F) {
	one, two := strings.Repeat("0a", 32), strings.Repeat("1b", 32)
	f.Add([]byte(`{"schema":1,"from":"` + one + `","to":"` + two + `","since":"2026-11-23T04:00:00Z","ready":true,"held":["a"],"back":"it didn't come up"}`))
	f.Add([]byte(`{"schema":1,"from":"../../etc","to":"` + two + `"}`))
	f.Add([]byte(`{"schema":2,"from":"` + one + `","to":"` + two + `"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		files := platformtest.NewFiles()
		files.Set(replacementFile, string(text), 0o600)
		r, there, err := recallReplacement(files)
		if err != nil {
			return
		}
		if !there || r.Schema > replacementSchema || !isDigest(r.From) || !isDigest(r.To) || strings.Count(binaryOf(r.To), "/") != strings.Count(binaryOf(one), "/") {
			t.Errorf("%q is taken for %+v", text, r)
		}
		if back := r.rolledBack(); (back == nil) != r.proving() {
			t.Errorf("%q proves and has gone back", text)
		}
	})
}

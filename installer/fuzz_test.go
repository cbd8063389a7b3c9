package installer

import (
	"context"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"scaleio-framework/platform/platformtest"
)

// What lies on a node is ours, but disks lose halves of files, and people edit: each record is read or refused, and nothing panics.
func FuzzRecordsOnANode(f *testing.F) {
	f.Add([]byte(`{"kind":"upgrade","subject":"mdm","detail":{"from":"1"}}`))
	f.Add([]byte(`[{"volume":"vol-1","device":"/dev/sdf","sizeBytes":1}]`))
	f.Add([]byte(`[{"path":"/etc/mesos-agent/isolation","data":"YQ==","mode":420},{"path":"/etc/mesos-agent/x","gone":true}]`))
	f.Add([]byte(`{"sdcVersion":"3.6","sha256":"00","placed":{"/lib/modules/x/scini.ko":"00"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		files := platformtest.NewFiles()
		records, o := intents{files: files}, &orders{Installer: &Installer{sys: System{Files: files, Clock: time.Now}}}
		o.digests.files, o.digests.now = files, time.Now
		files.Set(intentFile("kind", "subject"), string(text), 0o600)
		_, _ = records.all("")
		files.Set(namedFile, string(text), 0o600)
		_, _ = (&namedVolumes{files: files}).known()
		files.Set(storePath("6.1.0", moduleRecord), string(text), 0o600)
		_, _, _ = o.stored("6.1.0", "3.6")
		files.Set(firstMesosConfig, string(text), 0o600)
		_, _ = isolatorRemoved{o}.ours()
	})
}

func FuzzParseREXRay(f *testing.F) {
	f.Add([]byte("scaleio:\n  endpoint: https://10.0.0.1:443/api\n  password: the-password\n"))
	f.Add([]byte("scaleio: {password: the-password, endpoint: [}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, password, err := parseREXRay(text)
		if err != nil && (!password.Empty() || strings.Contains(err.Error(), "the-password")) {
			t.Errorf("%q: half of a configuration, or a reason that shows the password: %v", text, err)
		}
	})
}

// What a Mesos agent, or whatever listens at its port, says of itself: registered, or nothing of it counts.
func FuzzMesosState(f *testing.F) {
	f.Add([]byte(`{"id":"a-1","flags":{"work_dir":"/var/lib/mesos"},"frameworks":[{"id":"f","name":"n","executors":[{"tasks":[{"id":"t"}],"completed_tasks":[{"id":"u","state":"TASK_FINISHED"}]}]}]}`))
	f.Add([]byte(`{"flags":{}}`))
	f.Add([]byte(`{"id":"a-1","flags":{},"frameworks":[null,{"executors":[null]}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		ask := func(context.Context, Question) ([]byte, error) { return body, nil }
		state, err := askMesosAgent(t.Context(), ask, []string{"http://127.0.0.1:5051"})
		if err != nil {
			return
		}
		if state.ID == "" || state.Flags == nil {
			t.Errorf("%q is registered", body)
		}
		for _, id := range state.running() {
			_ = state.finished(id)
		}
		_ = state.uncheckpointed()
	})
}

// Files of others that get a line of ours: it is there afterwards, once, and what others wrote is left.
func FuzzLinesOfOurs(f *testing.F) {
	f.Add([]byte("actor_role_is_manager=0\nother = x\n actor_role_is_manager =1"))
	f.Add([]byte("\n\nother=x"))
	f.Add([]byte("ini_guid 8AC3-1\nmdm 10.0.0.1,10.0.0.2\nmdm 10.9.9.9\n"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, text []byte) {
		const key, value = "actor_role_is_manager", "1"
		once := properties(text).set(key, value)
		if again := once.set(key, value); once.get(key) != value || string(again) != string(once) {
			t.Errorf("%q becomes %q, then %q", text, once, again)
		}
		files := platformtest.NewFiles()
		s := sdcConnected{files: files, managers: []string{"10.0.0.1", "10.0.0.3"}}
		files.Set("/drv_cfg.txt", string(text), 0o644)
		if err := s.store("/drv_cfg.txt", []string{"10.0.0.1"}); err != nil {
			t.Fatal(err)
		}
		if stored, err := s.stored("/drv_cfg.txt"); err != nil || !stored {
			t.Errorf("%q lacks the line: %v", text, err)
		}
		after, err := files.Read("/drv_cfg.txt")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSuffix(line, "\n"); !drvCfgLine.MatchString(line) && !strings.Contains("\n"+string(after), "\n"+line+"\n") {
				t.Errorf("%q loses %q", text, line)
			}
		}
	})
}

// A certificate of a text, and nothing else of it: a key may stand beside it.
func FuzzFirstCertificate(f *testing.F) {
	f.Add([]byte("CONNECTED\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		shown := firstCertificate(text)
		if block, rest := pem.Decode(shown); shown != nil && (block == nil || block.Type != "CERTIFICATE" || len(block.Headers) > 0 || len(rest) > 0) {
			t.Errorf("%q shows %q", text, shown)
		}
	})
}

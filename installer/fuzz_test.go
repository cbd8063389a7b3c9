package installer

import (
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

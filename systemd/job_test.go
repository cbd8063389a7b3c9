package systemd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	godbus "github.com/godbus/dbus/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var install = Job{Name: "scaleio-agent-pkg", Argv: []string{"/usr/bin/apt-get", "install"}, Env: []string{"LC_ALL=C"}, EnvFile: "/run/x.env", Timeout: time.Minute}

func TestRunJob_succeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPID1()
		m.outputDir = filepath.Join(t.TempDir(), "jobs")
		done := make(chan error, 1)
		start := time.Now()
		go func() { done <- m.RunJob(t.Context(), install) }()
		synctest.Wait()
		p.finish("scaleio-agent-pkg.service", "done", unitIs("active", "exited", "success"))
		require.NoError(t, <-done)
		assert.Zero(t, time.Since(start), "the signal is heard at once")
		assert.Equal(t, []string{"transient scaleio-agent-pkg.service", "stop scaleio-agent-pkg.service"}, p.said())

		props := map[string]godbus.Variant{}
		for _, prop := range p.transient {
			props[prop.Name] = prop.Value
		}
		assert.Equal(t, "a(sb)", props["EnvironmentFiles"].Signature().String())
		assert.Equal(t, uint64(60_000_000), props["TimeoutStartUSec"].Value())
		assert.Equal(t, true, props["RemainAfterExit"].Value())
		assert.Contains(t, fmt.Sprint(props["ExecStart"].Value()), "install] false", "a failure counts")
		info, err := os.Stat(m.outputDir)
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	})
}

func TestRunJob_failureCarriesTheOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPID1()
		m.outputDir = t.TempDir()
		done := make(chan error, 1)
		go func() { done <- m.RunJob(t.Context(), install) }()
		synctest.Wait()
		log := filepath.Join(m.outputDir, install.Name+".log")
		require.NoError(t, os.WriteFile(log, []byte(strings.Repeat("x", 10_000)+"\nE: no space\n"), 0o600))
		failed := unitIs("failed", "failed", "exit-code")
		failed["ExecMainStatus"] = int32(100)
		p.finish("scaleio-agent-pkg.service", "failed", failed)

		err := <-done
		var job *JobError
		require.ErrorAs(t, err, &job)
		assert.Equal(t, 100, job.Code)
		assert.Equal(t, "exit-code", job.Result)
		assert.True(t, strings.HasSuffix(job.Output, "E: no space"))
		assert.Less(t, len(job.Output), 5000)
		assert.NoFileExists(t, log)
		assert.Contains(t, p.said(), "reset-failed scaleio-agent-pkg.service", "the next run must find the name free")
	})
}

func TestRunJob_adoptsARunningOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPID1()
		m.outputDir = t.TempDir()
		p.set("scaleio-agent-pkg.service", unitIs("activating", "start", "success"))
		done := make(chan error, 1)
		go func() { done <- m.RunJob(t.Context(), install) }()
		synctest.Wait()
		p.set("scaleio-agent-pkg.service", unitIs("active", "exited", "success"))
		require.NoError(t, <-done)
		assert.Equal(t, []string{"stop scaleio-agent-pkg.service"}, p.said(), "not started a second time")
	})
}

func TestRunJob_goesOnWithoutItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPID1()
		m.outputDir = t.TempDir()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.ErrorIs(t, m.RunJob(ctx, install), context.DeadlineExceeded)
		assert.Equal(t, []string{"transient scaleio-agent-pkg.service"}, p.said(), "neither stopped nor killed")
	})
}

func TestRunJob_clearsLeftOvers(t *testing.T) {
	for name, before := range map[string]properties{
		"ended while nobody waited": unitIs("active", "exited", "success"),
		"failed before":             unitIs("failed", "failed", "exit-code"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, m := newPID1()
				m.outputDir = t.TempDir()
				p.set("scaleio-agent-pkg.service", before)
				done := make(chan error, 1)
				go func() { done <- m.RunJob(t.Context(), install) }()
				synctest.Wait()
				assert.Contains(t, p.said(), "transient scaleio-agent-pkg.service")
				p.finish("scaleio-agent-pkg.service", "done", unitIs("active", "exited", "success"))
				require.NoError(t, <-done)
			})
		})
	}
}

func TestRunJob_stoppedBySomebody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPID1()
		m.outputDir = t.TempDir()
		done := make(chan error, 1)
		go func() { done <- m.RunJob(t.Context(), install) }()
		synctest.Wait()
		p.finish("scaleio-agent-pkg.service", "canceled", unitIs("inactive", "dead", "success"))
		require.ErrorContains(t, <-done, "somebody stopped it")
	})
}

func TestRunJob_oldSystemdPrintsToTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, m := newPID1()
		m.outputDir = t.TempDir()
		p.refuse = godbus.Error{Name: errNameNoProperty}
		done := make(chan error, 1)
		go func() { done <- m.RunJob(t.Context(), install) }()
		synctest.Wait()
		p.finish("scaleio-agent-pkg.service", "failed", unitIs("failed", "failed", "exit-code"))
		require.ErrorContains(t, <-done, "journalctl -u scaleio-agent-pkg")
	})
}

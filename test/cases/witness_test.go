//go:build nodes

package cases_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"scaleio-framework/test/cases"
)

// witness remembers what any local user could have seen while a cluster came up and lived: command lines and environments of all processes, most of
// which are gone when somebody looks, and the properties of the units under which packages are installed. The secrets are known only afterwards.
type witness struct {
	mu    sync.Mutex
	texts map[glimpse]string // where it was first seen
	procs int
}

// glimpse of a text. The scripts of packages get what the vendor's installation asks for in their environment, which is root's alone to read.
type glimpse struct {
	text       string
	installing bool
}

// Of how much is looked at again, and how often: a process shows its parent's command line until it runs its own.
const (
	newProcesses = 40 * time.Millisecond
	unitsEvery   = 5 * time.Second
)

// watch processes until the test ends.
func watch(t *testing.T) *witness {
	t.Helper()
	w := &witness{texts: map[glimpse]string{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var all sync.WaitGroup
	all.Go(func() { w.watchProcesses(ctx) })
	t.Cleanup(func() { cancel(); all.Wait() })
	return w
}

func (w *witness) watchProcesses(ctx context.Context) {
	seen := map[string]int{} // process directory -> looks
	tick := time.NewTicker(newProcesses)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		dirs, _ := filepath.Glob("/proc/[0-9]*")
		now := map[string]int{}
		for _, dir := range dirs {
			now[dir] = seen[dir] + 1
			if now[dir] <= 3 {
				w.process(dir)
			}
		}
		seen = now
	}
}

func (w *witness) process(dir string) {
	comm, _ := os.ReadFile(dir + "/comm")
	for _, file := range []string{"cmdline", "environ"} {
		if text, err := os.ReadFile(dir + "/" + file); err == nil && len(text) > 0 {
			w.note(file+" of a process "+strings.TrimSpace(string(comm)), glimpse{string(text), file == "environ" && installing(dir)})
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.procs++
}

// installing says whether a process is root's, in the unit of a package manager that the agent had PID 1 start.
func installing(dir string) bool {
	cgroup, err := os.ReadFile(dir + "/cgroup")
	if err != nil || !strings.Contains(string(cgroup), "/scaleio-agent-pkg-") {
		return false
	}
	info, err := os.Stat(dir + "/environ")
	if err != nil {
		return false
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && owner.Uid == 0 && info.Mode().Perm()&0o077 == 0
}

func (w *witness) note(where string, s glimpse) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.texts[s]; !known {
		w.texts[s] = where
	}
}

// units as PID 1 shows them to everybody over D-Bus, until ctx ends.
func (w *witness) units(ctx context.Context, s *cases.Stand) {
	tick := time.NewTicker(unitsEvery)
	defer tick.Stop()
	for {
		for _, node := range s.Nodes() {
			text, err := node.Output(ctx, "systemctl", "show", "--all", "-p", "Environment", "-p", "ExecStart", "-p", "Description", "*.service")
			if err == nil {
				w.note("units of "+node.Name+" while it came up", glimpse{text: text})
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// seen gives all texts to a search.
func (w *witness) seen(in func(where string, text []byte, allowed ...string)) (texts, looks int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for s, where := range w.texts {
		var allowed []string
		if s.installing {
			allowed = []string{"gateway's password"} // GATEWAY_ADMIN_PASSWORD: the vendor's script takes it from nowhere else
		}
		in("the "+where+" (over the whole run)", []byte(s.text), allowed...)
	}
	return len(w.texts), w.procs
}

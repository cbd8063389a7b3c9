package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

func main() {
	each := flag.Duration("time", 30*time.Second, "for each target")
	atOnce := flag.Int("at-once", 2, "targets at a time, one worker each")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout, *each, *atOnce, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

// run all targets of these packages (./... if none is named). What one finds ends none of the others.
func run(ctx context.Context, out io.Writer, each time.Duration, atOnce int, patterns []string) error {
	dir, err := os.MkdirTemp("", "fuzz-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cache, err := command(ctx, "", "go", "env", "GOCACHE")
	if err != nil {
		return fmt.Errorf("asking for Go's cache: %w", err)
	}
	targets, err := list(ctx, out, dir, patterns)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d targets, %v each, %d at a time\n", len(targets), each, atOnce)
	var (
		wait   sync.WaitGroup
		mu     sync.Mutex
		failed []string
		places = make(chan struct{}, atOnce)
	)
	for i, t := range targets {
		places <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wait.Go(func() {
			defer func() { <-places }()
			said, err := t.fuzz(ctx, each, strings.TrimSpace(string(cache)))
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(out, "%3d %s %s: %s\n", i+1, t.pkg, t.name, summary(said))
			if err != nil {
				failed = append(failed, t.pkg+" "+t.name)
				fmt.Fprintf(out, "%v\n%s\n", err, said)
			}
		})
	}
	wait.Wait()
	if len(failed) > 0 {
		return fmt.Errorf("%d of %d targets failed: %s", len(failed), len(targets), strings.Join(failed, ", "))
	}
	return ctx.Err()
}

// target is one fuzz function, in a test binary that is made for fuzzing. It runs in its package's folder, where its seeds are.
type target struct{ pkg, dir, binary, name string }

// fuzz it with one worker: two of one target would look for the same.
//
// Its time ends by an interrupt and not by -test.fuzztime: at the end of that Go (1.26) now and then calls a target failed for "context deadline exceeded",
// since internal/fuzz looks at a context derived from the one that ended, a moment too early. It takes an interrupt for an end without a failure.
//
// An input that reaches something new is cut down by a few tries: Go's own minute for each would be all the time that there is.
func (t target) fuzz(ctx context.Context, each time.Duration, cache string) (said []byte, err error) {
	timed, cancel := context.WithTimeout(ctx, each)
	defer cancel()
	said, err = command(timed, t.dir, t.binary, "-test.run=^$", "-test.fuzz=^"+t.name+"$", "-test.parallel=1", "-test.fuzzminimizetime=20x", "-test.fuzzcachedir="+filepath.Join(cache, "fuzz", t.pkg))
	if errors.Is(err, context.DeadlineExceeded) { // what os/exec says when the command ended well after the interrupt
		err = nil
	}
	return said, err
}

// list builds the tests of packages that have a fuzz function, and asks them for all.
func list(ctx context.Context, out io.Writer, dir string, patterns []string) (all []target, err error) {
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	text, err := command(ctx, "", "go", append([]string{"list", "-f",
		`{{$p := .}}{{range .TestGoFiles}}{{$p.ImportPath}} {{$p.Dir}}/{{.}}{{"\n"}}{{end}}{{range .XTestGoFiles}}{{$p.ImportPath}} {{$p.Dir}}/{{.}}{{"\n"}}{{end}}`}, patterns...)...)
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w\n%s", err, text)
	}
	packages, err := withTargets(text)
	if err != nil {
		return nil, err
	}
	for i, p := range packages {
		fmt.Fprintln(out, "building", p.pkg)
		p.binary = filepath.Join(dir, strconv.Itoa(i)+".test")
		if text, err := command(ctx, "", "go", "test", "-c", "-vet=off", "-fuzz=^Fuzz", "-o", p.binary, p.pkg); err != nil {
			return nil, fmt.Errorf("building the tests of %s: %w\n%s", p.pkg, err, text)
		}
		text, err := command(ctx, p.dir, p.binary, "-test.list=^Fuzz")
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w\n%s", p.pkg, err, text)
		}
		for line := range strings.Lines(string(text)) {
			p.name = strings.TrimSpace(line)
			all = append(all, p)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("none of the packages has a fuzz target")
	}
	return all, nil
}

// withTargets are the packages of the test files (package, space, path) that have a fuzz function.
func withTargets(files []byte) (packages []target, err error) {
	for line := range strings.Lines(string(files)) {
		pkg, path, is := strings.Cut(strings.TrimSpace(line), " ")
		if !is || len(packages) > 0 && packages[len(packages)-1].pkg == pkg {
			continue
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("looking for fuzz functions: %w", err)
		}
		if bytes.Contains(source, []byte("\nfunc Fuzz")) {
			packages = append(packages, target{pkg: pkg, dir: filepath.Dir(path)})
		}
	}
	return packages, nil
}

// command and what it said.
func command(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) } // a fuzz target hands it on to its worker
	c.WaitDelay = 10 * time.Second
	return c.CombinedOutput()
}

// summary is the last line that a target says about its work.
func summary(said []byte) string {
	last := "failed"
	for line := range strings.Lines(string(said)) {
		if strings.HasPrefix(line, "fuzz: elapsed:") {
			last = strings.TrimSpace(strings.TrimPrefix(line, "fuzz: "))
		}
	}
	return last
}

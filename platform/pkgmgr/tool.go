package pkgmgr

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"time"

	"scaleio-framework/platform"
)

// Commands that only look.
type Commands interface {
	Run(ctx context.Context, cmd platform.Cmd) (platform.Output, error)
}

// Files that carry the environment of scripts.
type Files interface {
	Write(path string, data []byte, mode os.FileMode) error
	Remove(path string) error
	MkdirAll(path string, mode os.FileMode) error
	Glob(pattern string) ([]string, error)
	Digest(path string) (sha256hex string, size int64, err error)
}

// A Job to run outside this process; the fields are those of systemd.Job, so that one converts into the other.
type Job struct {
	Name    string
	Argv    []string
	Env     []string
	EnvFile string
	Timeout time.Duration
}

// RunJob runs a job to its end, or adopts a running one of the same name. An error of a job that ran has a method Said() (code int, output string).
type RunJob func(ctx context.Context, job Job) error

const (
	envDir         = "/run/scaleio-agent/env"
	jobPrefix      = "scaleio-agent-pkg-"
	installTimeout = 15 * time.Minute
	updateTimeout  = 5 * time.Minute
)

// tool is what every distribution's package tools have in common: they only look as commands, act as jobs, and there are locks.
type tool struct {
	commands Commands
	files    Files
	runJob   RunJob
	locks    locks
	texts    []toolText // that tell failures apart
	one      sync.Mutex // one transaction at a time
	secrets  []string   // in the environment of the present one's scripts, each followed by what is shown instead
}

// run waits for the locks of others, never longer than ctx, and runs the job.
func (t *tool) run(ctx context.Context, job Job) error {
	if err := t.locks.wait(ctx); err != nil {
		return err
	}
	err := t.runJob(ctx, job)
	var ran interface {
		error
		Said() (code int, output string)
	}
	if errors.As(err, &ran) {
		code, output := ran.Said()
		output = strings.NewReplacer(t.secrets...).Replace(output)
		return &Error{Kind: classify(t.texts, output), Code: code, Detail: lastLines(output), Err: err}
	}
	return err
}

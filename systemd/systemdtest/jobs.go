package systemdtest

import (
	"context"
	"sync"

	"scaleio-framework/systemd"
)

// Jobs runs a job's work in this process and remembers what ran.
type Jobs struct {
	Hook Hook

	// Run does the work; nil = every job succeeds. To fail like a command, return a *systemd.JobError.
	Run func(ctx context.Context, job systemd.Job) error

	mu   sync.Mutex
	ran  []systemd.Job
	busy map[string]chan struct{}
}

// Ran lists the jobs that were started, in order; adopted ones are not started again.
func (j *Jobs) Ran() []systemd.Job {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]systemd.Job(nil), j.ran...)
}

// RunJob runs the job, or waits for a running one of the same name.
func (j *Jobs) RunJob(ctx context.Context, job systemd.Job) error {
	return j.Hook.do("job "+job.Name, func() error {
		j.mu.Lock()
		if running := j.busy[job.Name]; running != nil {
			j.mu.Unlock()
			select {
			case <-running:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if j.busy == nil {
			j.busy = map[string]chan struct{}{}
		}
		done := make(chan struct{})
		j.busy[job.Name] = done
		j.ran = append(j.ran, job)
		j.mu.Unlock()

		defer func() {
			j.mu.Lock()
			delete(j.busy, job.Name)
			j.mu.Unlock()
			close(done)
		}()
		if j.Run == nil {
			return nil
		}
		return j.Run(ctx, job)
	})
}

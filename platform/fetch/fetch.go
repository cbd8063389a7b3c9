package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	defaultStall    = 30 * time.Second
	defaultAttempts = 6
	firstPause      = time.Second
	longestPause    = 30 * time.Second
	// maxUnsized bounds a file whose size isn't known.
	maxUnsized = 4 << 30
)

// A Fetcher downloads files. The zero value works.
type Fetcher struct {
	// StallAfter ends an attempt that brings nothing for this long; 0 = 30 s.
	StallAfter time.Duration
	// Attempts in a row without progress before giving up; 0 = 6. The context's deadline ends it all earlier.
	Attempts int
	// Pause before attempt n, from 1; nil = exponential from 1 s to 30 s with jitter.
	Pause func(n int) time.Duration

	paths sync.Map // path -> chan struct{} of size 1: one download at a time
}

// Fetch puts the wanted file at its path, or changes nothing there. A file that lies there whole already is kept. What came before an interruption is
// kept beside it and used again.
func (f *Fetcher) Fetch(ctx context.Context, want File) error {
	slot, _ := f.paths.LoadOrStore(filepath.Clean(want.Path), make(chan struct{}, 1))
	turn, _ := slot.(chan struct{})
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return fmt.Errorf("fetching %s: waiting for another download to %s: %w", publicURL(want.URL), want.Path, context.Cause(ctx))
	}

	if want.SHA256 == "" && !strings.HasPrefix(want.URL, "https://") {
		return &Error{Kind: Unvouched, URL: want.URL, Detail: "no SHA-256 is known and there is no TLS: nothing vouches for what comes"}
	}
	if ok, err := matches(want.Path, want); ok || err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(want.Path), 0o700); err != nil {
		return f.diskError(want, err)
	}
	p, err := openPartial(want)
	if err != nil {
		return f.diskError(want, err)
	}
	defer p.close()
	if want.SHA256 == "" { // the end of another version would never be noticed
		if err := p.reset(); err != nil {
			return f.diskError(want, err)
		}
	}
	return f.fetch(ctx, want, p)
}

func (f *Fetcher) fetch(ctx context.Context, want File, p *partial) error {
	resumed := p.size > 0
	best := p.size
	for failures := 0; ; {
		err := f.attempt(ctx, want, p)
		if err == nil {
			err = p.finish(want)
			if err == nil {
				return nil
			}
			if kindOf(err) == WrongDigest && resumed { // the beginning was of another version: once more from nothing
				resumed = false
				if err := p.reset(); err != nil {
					return f.diskError(want, err)
				}
				continue
			}
			_ = p.discard() // what is wrong must not be resumed
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("fetching %s: %d bytes are here and kept: %w", publicURL(want.URL), p.size, context.Cause(ctx))
		}
		if p.size > best { // only more than ever before is progress: a server that ignores ranges begins anew each time
			best, failures, resumed = p.size, 0, true
		}
		failures++
		if !worthRetry(err) || failures >= f.attempts() {
			if kind := kindOf(err); kind == TooLarge || kind == HTMLPage || kind == DiskFull {
				_ = p.discard()
			}
			return err
		}
		if err := sleep(ctx, f.pause(failures)); err != nil {
			return fmt.Errorf("fetching %s: %w", publicURL(want.URL), err)
		}
	}
}

func (f *Fetcher) attempts() int {
	if f.Attempts > 0 {
		return f.Attempts
	}
	return defaultAttempts
}

func (f *Fetcher) stall() time.Duration {
	if f.StallAfter > 0 {
		return f.StallAfter
	}
	return defaultStall
}

func (f *Fetcher) pause(n int) time.Duration {
	if f.Pause != nil {
		return f.Pause(n)
	}
	pause := min(firstPause<<min(n-1, 10), longestPause)
	return pause/2 + rand.N(pause/2+1)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func kindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

func worthRetry(err error) bool {
	switch kindOf(err) {
	case Truncated, ServerError, Stalled, Unreachable:
		return true
	}
	return false
}

func (f *Fetcher) diskError(want File, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &Error{Kind: DiskFull, URL: want.URL, Err: err}
	}
	return fmt.Errorf("fetching %s: %w", publicURL(want.URL), err)
}

// matches tells whether the file at path is the wanted one.
func matches(path string, want File) (bool, error) {
	if want.SHA256 == "" {
		return false, nil
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("fetching %s: looking at what is there: %w", publicURL(want.URL), err)
	}
	defer file.Close()
	digest, size, err := digestOf(file)
	if err != nil {
		return false, fmt.Errorf("fetching %s: looking at what is there: %w", publicURL(want.URL), err)
	}
	return strings.EqualFold(digest, want.SHA256) && (want.Size == 0 || size == want.Size), nil
}

func digestOf(r io.Reader) (string, int64, error) {
	hash := sha256.New()
	size, err := io.Copy(hash, r)
	return hex.EncodeToString(hash.Sum(nil)), size, err
}

// room tells whether the file system still has place for n bytes.
func room(dir string, n int64) bool {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return true // writing will tell
	}
	return int64(s.Bavail)*s.Bsize >= n //nolint:gosec // far from overflowing
}

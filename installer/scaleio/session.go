package scaleio

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"scaleio-framework/scheduler/api"
)

// A Session is what scli may do between login and logout, on the MDM of this node: if it isn't the master any more, every command answers
// with KindNotMaster, which is the fence that holds even when all else is wrong.
type Session struct {
	cli      *CLI
	systemID string
	role     string
}

// SystemID that the login told.
func (s *Session) SystemID() string { return s.systemID }

// Role of the user that the login told.
func (s *Session) Role() string { return s.role }

// Session logs in, does, and logs out, under the lock. A failed login is KindNotAuthenticated.
func (c *CLI) Session(ctx context.Context, as Credentials, do func(context.Context, *Session) error) (err error) {
	unlock, err := c.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := c.login(ctx, as)
	if err != nil {
		return err
	}
	defer func() {
		// The session ends even where the pass was cut; who is left logged in is the next one's trouble only until his own login.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.options.Timeout)
		defer cancel()
		if _, out := c.run(ctx, "", "logout"); out != nil && err == nil && KindOf(out) == KindUnrecognised {
			err = fmt.Errorf("ending the scli session: %w", out)
		}
	}()
	return do(ctx, s)
}

var loggedIn = lazily(`(?m)^Logged in\. User role is (\w+)\. System ID is ([0-9a-f]{16})\.?\s*$`)

func (c *CLI) login(ctx context.Context, as Credentials) (*Session, error) {
	out, err := c.talk(ctx, "login", []string{"--username", as.User}, Reply{passwordPrompt(), as.Password})
	if err != nil {
		return nil, err
	}
	m := loggedIn().FindStringSubmatch(out)
	if m == nil {
		return nil, unknown("login", out, out)
	}
	return &Session{cli: c, role: m[1], systemID: m[2]}, nil
}

// The prompts, as far as they are documented: "Enter password:", "Enter old password:", "Confirm new password:".
var (
	passwordPrompt = lazily(`(?i)password[^\n]*: *$`)
	oldPrompt      = lazily(`(?i)(old|current)[^\n]*password[^\n]*: *$`)
	newPrompt      = lazily(`(?i)new[^\n]*password[^\n]*: *$`)
	confirmPrompt  = lazily(`(?i)(confirm|retype|re-enter|again)[^\n]*: *$`)
)

// SetPassword of the user who is logged in.
func (s *Session) SetPassword(ctx context.Context, old, to api.Secret) error {
	out, err := s.cli.talk(ctx, "set_password", nil, Reply{oldPrompt(), old}, Reply{newPrompt(), to}, Reply{confirmPrompt(), to})
	if err != nil {
		return err
	}
	return expect("set_password", out, "Password changed successfully")
}

// lock waits for the other users of scli on this node.
func (c *CLI) lock(ctx context.Context) (func(), error) {
	if c.options.Home != "" {
		if err := os.MkdirAll(c.options.Home, 0o700); err != nil {
			return nil, fmt.Errorf("making scli's home: %w", err)
		}
	}
	if c.options.Lock == "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(filepath.Dir(c.options.Lock), 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of scli's lock: %w", err)
	}
	f, err := os.OpenFile(c.options.Lock, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening scli's lock: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond) // flock can't be waited for together with a context
	defer tick.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing unlocks
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			_ = f.Close()
			return nil, fmt.Errorf("locking %s: %w", c.options.Lock, err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("waiting for scli's lock %s: %w", c.options.Lock, ctx.Err())
		case <-tick.C:
		}
	}
}

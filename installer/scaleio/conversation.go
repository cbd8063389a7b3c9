package scaleio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"scaleio-framework/platform"
)

// A conversation answers what is asked. It knows three things that may be heard: the prompt that comes next, a question that nobody has an
// answer for (the certificate of an MDM that isn't listed, a confirmation, a dialect not seen before), and anything else, which is only kept.
type conversation struct {
	said    chan []byte
	heard   strings.Builder
	replies []Reply
	next    int
	fresh   int // where in heard the words after the last reply begin
	write   io.Writer
	quiet   time.Duration
}

func (t *conversation) listen(from io.Reader) {
	defer close(t.said)
	for {
		b := make([]byte, 4096)
		n, err := from.Read(b)
		if n > 0 {
			t.said <- b[:n]
		}
		if err != nil { // EIO: the last program on the terminal is gone
			return
		}
	}
}

// A question that isn't ours to answer.
var strange = lazily(`(?i)(approve|accept|trust)[^\n]*certificate|\[?y(es)?/n(o)?\]?[^\n]*[:?>)] *$|are you sure`)

// errNoSuchPrompt: a question was heard that no reply was made for.
var errNoSuchPrompt = errors.New("unexpected question")

// follow the program until it is silent for good, answering.
func (t *conversation) follow(ctx context.Context) error {
	quiet := time.NewTimer(t.quiet)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case b, ok := <-t.said:
			if !ok {
				return nil
			}
			if t.heard.Len()+len(b) > maxSaid {
				return fmt.Errorf("more than %d bytes were said", maxSaid)
			}
			t.heard.Write(b)
			if err := t.answer(); err != nil {
				return err
			}
			quiet.Reset(t.quiet)
		case <-quiet.C:
			if line := t.lastLine(); line != "" && !strings.HasSuffix(t.tail(), "\n") {
				return errNoSuchPrompt
			}
			quiet.Reset(t.quiet)
		}
	}
}

func (t *conversation) tail() string { return t.heard.String()[t.fresh:] }

func (t *conversation) lastLine() string {
	tail := strings.TrimRight(t.tail(), "\r")
	return tail[strings.LastIndex(tail, "\n")+1:]
}

func (t *conversation) answer() error {
	line := t.lastLine()
	if line == "" {
		return nil
	}
	if t.next < len(t.replies) && t.replies[t.next].Prompt.MatchString(line) {
		t.fresh = t.heard.Len()
		reply := t.replies[t.next]
		t.next++
		if _, err := io.WriteString(t.write, reply.Secret.Reveal()+"\n"); err != nil {
			return fmt.Errorf("answering: %w", err)
		}
		return nil
	}
	// A refused password may be asked for again: that is no prompt of ours any more.
	if strange().MatchString(line) || t.next == len(t.replies) && passwordPrompt().MatchString(line) {
		return errNoSuchPrompt
	}
	return nil
}

// end turns what happened into an answer.
func (t *conversation) end(cmd platform.Cmd, asked, waited error) (string, error) {
	said := t.redacted()
	switch {
	case errors.Is(asked, errNoSuchPrompt):
		return said, unknown("the dialogue with "+cmd.Path, lastLines(said), said)
	case asked != nil:
		return said, asked
	}
	var exit *exec.ExitError
	switch {
	case errors.As(waited, &exit):
		return said, &platform.ExitError{Path: cmd.Path, Code: exit.ExitCode(), Stdout: said}
	case waited != nil:
		return said, waited
	}
	return said, nil
}

// redacted gives what was said as lines, without any secret that the program may have repeated.
func (t *conversation) redacted() string {
	said := strings.ReplaceAll(t.heard.String(), "\r\n", "\n")
	for _, r := range t.replies {
		if s := r.Secret.Reveal(); len(s) > 3 {
			said = strings.ReplaceAll(said, s, r.Secret.String())
		}
	}
	return said
}

// lastLines leaves the prompts away.
func lastLines(said string) string {
	lines := strings.Split(strings.TrimSpace(said), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// quiet turns the terminal's echo off before anything runs on it: scli does so too, but only just before it asks.
func quiet(tty *os.File) error {
	state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		return fmt.Errorf("reading the terminal's settings: %w", err)
	}
	state.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, state); err != nil {
		return fmt.Errorf("turning the terminal's echo off: %w", err)
	}
	return nil
}

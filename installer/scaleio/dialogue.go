package scaleio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// A Reply is given when what was said last ends in Prompt.
type Reply struct {
	Prompt *regexp.Regexp
	Secret api.Secret
}

// A Dialogue runs a command on a terminal of its own and answers its prompts in order. It returns all that was said, secrets cut out; a
// non-zero exit is a *platform.ExitError, a prompt that no reply was made for an *UnknownDialectError.
type Dialogue func(ctx context.Context, cmd platform.Cmd, replies []Reply) (string, error)

// A Terminal holds dialogues over pseudo-terminals. scli asks for passwords on /dev/tty and reads them there alone.
type Terminal struct {
	Quiet time.Duration // an unfinished line that nothing follows for so long is a question; 0 = 3 s
}

const maxSaid = 64 << 10

func (c *CLI) talk(ctx context.Context, command string, args []string, replies ...Reply) (string, error) {
	cmd := platform.Cmd{Path: c.options.Path, Args: c.arguments("", command, args), Env: c.env(), Timeout: c.options.Timeout}
	out, err := c.options.Dialogue(ctx, cmd, replies)
	var exit *platform.ExitError
	if errors.As(err, &exit) {
		return "", commandError(command, exit.Code, "", lastLines(out))
	}
	if err != nil {
		return "", fmt.Errorf("talking to scli --%s: %w", command, err)
	}
	return out, nil
}

// Converse is a Dialogue.
func (term Terminal) Converse(ctx context.Context, cmd platform.Cmd, replies []Reply) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, cmd.Timeout)
	defer cancel()
	master, tty, err := pty.Open()
	if err != nil {
		return "", fmt.Errorf("opening a terminal: %w", err)
	}
	defer func() { _ = master.Close() }()
	if err := quiet(tty); err != nil {
		_ = tty.Close()
		return "", err
	}
	run := exec.CommandContext(ctx, cmd.Path, cmd.Args...)
	run.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "TERM=dumb"}
	for k, v := range cmd.Env {
		run.Env = append(run.Env, k+"="+v)
	}
	run.Stdin, run.Stdout, run.Stderr = tty, tty, tty
	run.SysProcAttr = &unix.SysProcAttr{Setsid: true, Setctty: true}
	run.WaitDelay = time.Second
	err = run.Start()
	_ = tty.Close()
	if err != nil {
		return "", fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	t := &conversation{said: make(chan []byte), replies: replies, write: master, quiet: cmp.Or(term.Quiet, 3*time.Second)}
	go t.listen(master)
	asked := t.follow(ctx)
	if asked != nil {
		cancel() // ends the program: it waits for an answer that nobody has
	}
	_ = master.Close()
	for range t.said { // the reader ends with the terminal
		continue
	}
	return t.end(cmd, asked, run.Wait())
}

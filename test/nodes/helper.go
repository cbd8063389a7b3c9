package nodes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"
)

// Some things must run on after the program that started them. They are the
// same executable again, called with one of these verbs.
const (
	verbRunNode    = "run-node"
	verbServeFiles = "serve-files"
	verbForward    = "forward"
	verbEnter      = "enter"
)

// RunHelper must be the first thing that a program using this package calls: it
// returns unless the program was started as one of its helpers.
func RunHelper() {
	if len(os.Args) < 2 {
		return
	}
	var run func(args []string) error
	switch os.Args[1] {
	case verbRunNode:
		run = keep
	case verbServeFiles:
		run = serveFiles
	case verbForward:
		run = forward
	case verbEnter:
		run = enter
	default:
		return
	}
	if err := run(os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// helper is the command line of a helper; wrap, if not nil, goes around it.
func (c *Cluster) helper(wrap func(argv ...string) []string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the own executable: %w", err)
	}
	argv := append([]string{self}, args...)
	if wrap != nil {
		argv = wrap(argv...)
	}
	cmd := command(context.Background(), argv...)
	cmd.Dir = c.Dir()
	return cmd, nil
}

// MirrorAddress is where ServeFiles listens.
const MirrorAddress = Gateway + ":8099"

// ServeFiles offers a directory to the nodes over plain HTTP, with ranges, as
// the process "mirror". It returns once that answers.
func (c *Cluster) ServeFiles(ctx context.Context, dir string) error {
	cmd, err := c.helper(c.network().inside, verbServeFiles, MirrorAddress, dir)
	if err != nil {
		return err
	}
	mirror, err := c.start("mirror", cmd)
	if err != nil {
		return err
	}
	return c.WaitListening(ctx, mirror, MirrorAddress)
}

// WaitListening returns once something listens at the address inside the
// cluster's network, or the process that should is gone.
func (c *Cluster) WaitListening(ctx context.Context, p Process, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("waiting for %q: %w", address, err)
	}
	listening := false
	err = poll(ctx, address+" to listen", func() bool {
		sockets, err := output(ctx, c.network().inside("ss", "-Htln", "sport", "=", ":"+port)...)
		listening = err == nil && sockets != ""
		return listening || !p.Alive()
	})
	if err == nil && !listening {
		err = fmt.Errorf("waiting for %s to listen: the process ended; see %s", address, c.Path("log"))
	}
	return err
}

func serveFiles(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: serve-files ADDRESS DIRECTORY")
	}
	server := http.Server{
		Addr:              args[0],
		Handler:           http.FileServer(http.Dir(args[1])),
		ReadHeaderTimeout: 10 * time.Second,
	}
	return server.ListenAndServe()
}

// Forward lets a port of the host lead to an address in the cluster's network,
// and returns the host's address.
func (c *Cluster) Forward(from, to string) (string, error) {
	listener, err := net.Listen("tcp", from)
	if err != nil {
		return "", fmt.Errorf("forwarding to %s: %w", to, err)
	}
	defer listener.Close()
	// The socket belongs to the host's network for good; the process that
	// accepts from it belongs to the cluster's.
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		return "", fmt.Errorf("forwarding to %s: %w", to, err)
	}
	defer file.Close()
	cmd, err := c.helper(c.network().inside, verbForward, to)
	if err != nil {
		return "", err
	}
	cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	at := listener.Addr().String()
	if _, err := c.start("forward-"+at, cmd); err != nil { // several may lead to one address
		return "", err
	}
	return at, nil
}

func forward(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: forward ADDRESS, with a listening socket as file 3")
	}
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return fmt.Errorf("taking the socket over: %w", err)
	}
	for {
		client, err := listener.Accept()
		if err != nil {
			return fmt.Errorf("accepting: %w", err)
		}
		go pipe(client, args[0])
	}
}

func pipe(client net.Conn, to string) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", to, 5*time.Second)
	if err != nil {
		return
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	for _, half := range [][2]net.Conn{{server, client}, {client, server}} {
		go func() {
			_, _ = io.Copy(half[0], half[1])
			_ = half[0].(*net.TCPConn).CloseWrite()
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}

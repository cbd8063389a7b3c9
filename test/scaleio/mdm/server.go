package mdm

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"scaleio-framework/test/scaleio/mgmt"
)

// server answers on both ports. What a connection is shows in its first byte: TLS for clients, JSON for SDCs and other MDMs.
type server struct {
	node        *Node
	certificate tls.Certificate
}

const (
	tlsHandshakeByte = 0x16
	helloTimeout     = 10 * time.Second
	clientIdle       = 10 * time.Minute
	maxLine          = 64 << 20
)

func (s *server) serve(ctx context.Context, listener net.Listener, management bool) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	for {
		conn, err := listener.Accept()
		if err != nil {
			_ = listener.Close()
			waitErr := group.Wait()
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return errors.Join(err, waitErr)
		}
		group.Go(func() error {
			stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
			defer stop()
			defer conn.Close()
			s.connection(ctx, conn, management)
			return nil
		})
	}
}

// peeked gives back the bytes that were looked at.
type peeked struct {
	net.Conn
	reader *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.reader.Read(b) }

func (s *server) connection(ctx context.Context, conn net.Conn, management bool) {
	_ = conn.SetReadDeadline(time.Now().Add(helloTimeout))
	reader := bufio.NewReader(conn)
	first, err := reader.Peek(1)
	if err != nil {
		return
	}
	if first[0] == tlsHandshakeByte {
		secure := tls.Server(peeked{conn, reader}, &tls.Config{Certificates: []tls.Certificate{s.certificate}, MinVersion: tls.VersionTLS12})
		s.management(ctx, secure)
		return
	}
	decoder := json.NewDecoder(reader)
	var raw json.RawMessage
	if err := decoder.Decode(&raw); err != nil {
		return
	}
	var hello struct{ Client string }
	if json.Unmarshal(raw, &hello) != nil {
		return
	}
	switch {
	case hello.Client == "sdc" && management:
		_ = conn.SetReadDeadline(time.Time{})
		s.node.serveSDC(ctx, conn, decoder)
	case hello.Client == "mdm" && !management:
		var req peerRequest
		if json.Unmarshal(raw, &req) != nil {
			return
		}
		_ = conn.SetWriteDeadline(time.Now().Add(helloTimeout))
		_ = json.NewEncoder(conn).Encode(s.node.answerPeer(req))
	}
}

func (n *Node) answerPeer(req peerRequest) peerAnswer {
	switch req.Op {
	case "identify":
		return n.answerIdentify()
	case "attach":
		return n.answerAttach(req)
	case "detach":
		return n.answerDetach(req)
	case "beat":
		return n.answerBeat(req)
	case "vote":
		return n.answerVote(req)
	case "put":
		return n.answerPut(req)
	case "release":
		return n.answerRelease(req)
	}
	return peerAnswer{Fault: mgmt.WrongParameters}
}

// management answers commands, one line each, until the client goes.
func (s *server) management(ctx context.Context, conn net.Conn) {
	reader := bufio.NewReader(conn)
	encoder := json.NewEncoder(conn)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(clientIdle))
		line, err := readLine(reader)
		if err != nil {
			return
		}
		var req mgmt.Request
		if err := json.Unmarshal(line, &req); err != nil {
			return
		}
		answer, dropped := s.node.command(ctx, req)
		if dropped {
			return
		}
		_ = conn.SetWriteDeadline(time.Now().Add(helloTimeout))
		if err := encoder.Encode(answer); err != nil {
			return
		}
	}
}

func readLine(reader *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := reader.ReadSlice('\n')
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
		if len(line) > maxLine {
			return nil, errors.New("reading a command: line too long")
		}
	}
}

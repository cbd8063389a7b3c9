package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Sent is what the flood did.
type Sent struct {
	Connections, Slow, Huge, Headers, Garbage, Requests int64
	HugeBytes                                           int64 // that were taken of bodies without an end
}

type attack struct {
	Sent
	address string
	dial    func(ctx context.Context, address string) (net.Conn, error) // TLS where that is spoken
}

// flood both for a while: the scheduler's HTTPS port, then the endpoint of a node.
func flood(scheduler, agent string, length time.Duration) map[string]*Sent {
	ctx, cancel := context.WithTimeout(context.Background(), length)
	defer cancel()
	plain := func(ctx context.Context, address string) (net.Conn, error) {
		return (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, "tcp", address)
	}
	secret := func(ctx context.Context, address string) (net.Conn, error) {
		d := tls.Dialer{NetDialer: &net.Dialer{Timeout: 3 * time.Second}, Config: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // an attacker doesn't care
		return d.DialContext(ctx, "tcp", address)
	}
	one, two := &attack{address: scheduler, dial: secret}, &attack{address: agent, dial: plain}
	var all sync.WaitGroup
	all.Go(func() { one.run(ctx, "https://"+scheduler+"/v1/status", "/v1/join") })
	all.Go(func() { two.run(ctx, "http://"+agent+"/readyz", "/healthz") })
	all.Wait()
	return map[string]*Sent{"scheduler": &one.Sent, "agent": &two.Sent}
}

func (a *attack) run(ctx context.Context, url, post string) {
	var all sync.WaitGroup
	many := func(n int, do func()) {
		for range n {
			all.Go(func() {
				for ctx.Err() == nil {
					do()
					pause(ctx, 20*time.Millisecond)
				}
			})
		}
	}
	many(600, func() { a.idle(ctx) })
	many(40, func() { a.slow(ctx) })
	many(2, func() { a.huge(ctx, post) })
	many(2, func() { a.header(ctx) })
	many(2, func() { a.garbage(ctx) })
	client := anyClient()
	many(4, func() {
		if ask(client, http.MethodGet, url, "") > 0 {
			atomic.AddInt64(&a.Requests, 1)
		}
	})
	all.Wait()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// idle connections say nothing until they are closed.
func (a *attack) idle(ctx context.Context) {
	conn, err := (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, "tcp", a.address)
	if err != nil {
		pause(ctx, time.Second)
		return
	}
	defer conn.Close()
	atomic.AddInt64(&a.Connections, 1)
	until(ctx, conn)
	_, _ = conn.Read(make([]byte, 1))
}

// slow ones send a byte of a header now and then.
func (a *attack) slow(ctx context.Context) {
	conn, err := a.dial(ctx, a.address)
	if err != nil {
		pause(ctx, time.Second)
		return
	}
	defer conn.Close()
	until(ctx, conn)
	text := "GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 1000)
	for i := range len(text) {
		if _, err := conn.Write([]byte{text[i]}); err != nil {
			return
		}
		atomic.AddInt64(&a.Slow, 1)
		pause(ctx, 200*time.Millisecond)
	}
}

// huge bodies: a gigabyte is announced, and sent as far as it is taken.
func (a *attack) huge(ctx context.Context, path string) {
	conn, err := a.dial(ctx, a.address)
	if err != nil {
		return
	}
	defer conn.Close()
	until(ctx, conn)
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{\"token\":\"", path, 1<<30)
	chunk := []byte(strings.Repeat("a", 64<<10))
	for {
		n, err := conn.Write(chunk)
		atomic.AddInt64(&a.HugeBytes, int64(n))
		if err != nil {
			atomic.AddInt64(&a.Huge, 1)
			return
		}
	}
}

// header without an end.
func (a *attack) header(ctx context.Context) {
	conn, err := a.dial(ctx, a.address)
	if err != nil {
		return
	}
	defer conn.Close()
	until(ctx, conn)
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n")
	for i := range 1000 {
		if _, err := fmt.Fprintf(conn, "X-%d: %s\r\n", i, strings.Repeat("z", 4000)); err != nil {
			break
		}
	}
	atomic.AddInt64(&a.Headers, 1)
	_, _ = io.Copy(io.Discard, io.LimitReader(conn, 1<<20))
}

// garbage: of other protocols, and of none.
func (a *attack) garbage(ctx context.Context) {
	dial := a.dial
	if rand.N(2) == 0 { // below TLS too
		dial = func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 3 * time.Second}).DialContext(ctx, "tcp", address)
		}
	}
	conn, err := dial(ctx, a.address)
	if err != nil {
		return
	}
	defer conn.Close()
	until(ctx, conn)
	noise := make([]byte, 1+rand.N(4000))
	for i := range noise {
		noise[i] = byte(rand.N(256))
	}
	texts := []string{
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x16\x03\x01\xff\xff\x01\x00\xff\xff", "GET /%zz HTTP/1.1\r\n\r\n", "POST /v1/join HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "GET //////../../etc/shadow HTTP/1.0\r\n\r\n", "POST /v1/join HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n" + strings.Repeat("[", 20000), string(noise),
	}
	_, _ = io.WriteString(conn, texts[rand.N(len(texts))])
	atomic.AddInt64(&a.Garbage, 1)
	_, _ = io.Copy(io.Discard, io.LimitReader(conn, 1<<20))
}

// until the flood ends, and not much longer, a connection may take.
func until(ctx context.Context, conn net.Conn) {
	end, _ := ctx.Deadline()
	_ = conn.SetDeadline(end)
}

package growth_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"scaleio-framework/scheduler/api"
)

// pipes is a listener without a network: whoever dials it is its other end.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "scheduler:443" }

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- addressed{theirs}:
		return ours, nil
	case <-p.closed:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// addressed: the scheduler limits callers by their address.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1} }

// client of the scheduler, with a node's certificate or without.
func (s *site) client(certificate *tls.Certificate) *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(s.ca))
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: fmt.Sprintf(api.ServerNameFmt, s.cluster)}
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: config, MaxIdleConns: 1, IdleConnTimeout: 20 * time.Second,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return s.listener.dial(ctx) }}}
}

// post a request, and read its answer.
func post(ctx context.Context, c *http.Client, path, token string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://scheduler"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d %s", path, response.StatusCode, raw)
	}
	return json.Unmarshal(raw, out)
}

// call the scheduler with a report; a node that has no certificate joins first.
func (n *node) call(ctx context.Context, report api.Report) (answer api.Answer, err error) {
	if n.cert == "" {
		var joined api.JoinAnswer
		request := api.JoinRequest{Token: n.site.tokens[n.name], Node: report.Node, CSR: n.csr()}
		if err := post(ctx, n.site.client(nil), api.PathJoin, "", request, &joined); err != nil {
			return answer, err
		}
		n.cert = joined.Certificate
	}
	if n.http == nil || n.through != n.site.listener {
		block, _ := pem.Decode([]byte(n.cert))
		n.http, n.through = n.site.client(&tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: n.key}), n.site.listener
	}
	return answer, post(ctx, n.http, api.PathReport, "", report, &answer)
}

// peek at the action of a request to EC2.
func peek(r *http.Request) (string, error) {
	if r.Body == nil {
		return "", errors.New("no body")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	return form.Get("Action"), err
}

package installer

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// A Question is one small HTTP request: to a daemon of this node, or to a gateway.
type Question struct {
	Method string // GET if empty
	URL    string
	Socket string // a unix socket to send it over; the URL's host is then only a name
	Roots  []byte // PEM: the only certificates that are trusted; nil = the system's
}

// Ask puts a Question; any status but 2xx is an *AnswerError.
type Ask func(ctx context.Context, q Question) ([]byte, error)

// An AnswerError is an answer that says no.
type AnswerError struct {
	URL    string
	Status int
}

// Error shows both.
func (e *AnswerError) Error() string {
	return fmt.Sprintf("%s answers with status %d", e.URL, e.Status)
}

const (
	askTimeout = 5 * time.Second
	maxAnswer  = 8 << 20 // a Mesos agent's state with many completed tasks
)

// AskHTTP puts the question over a connection of its own, at most for 5 seconds.
func AskHTTP(ctx context.Context, q Question) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	transport, err := pinnedTransport(q.Roots)
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", q.URL, err)
	}
	if q.Socket != "" {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", q.Socket)
		}
	}
	method := q.Method
	if method == "" {
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(ctx, method, q.URL, bytes.NewReader(nil))
	if err != nil {
		return nil, fmt.Errorf("asking: %w", err)
	}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("redirected")
	}}
	answer, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("asking %s: %w", q.URL, err)
	}
	if answer.StatusCode/100 != 2 {
		return nil, &AnswerError{q.URL, answer.StatusCode}
	}
	return body, nil
}

// pinnedTransport trusts these certificates and no others; nil = the system's.
func pinnedTransport(roots []byte) (*http.Transport, error) {
	transport := &http.Transport{DisableKeepAlives: true, TLSHandshakeTimeout: askTimeout}
	if roots == nil {
		return transport, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(roots) {
		return nil, errors.New("the pinned certificate can't be read")
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	return transport, nil
}

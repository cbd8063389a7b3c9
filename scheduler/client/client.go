package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
)

// maxAnswer bounds what is read of an answer: the leader's spec lists every SDS and disk.
const maxAnswer = 16 << 20

// answerSlack is added to how long a held report may take.
const answerSlack = 15 * time.Second

// Agent is how a node calls the scheduler. It is never called.
type Agent struct {
	caller
}

// Options of an agent's client.
type Options struct {
	Servers     []string         // https URLs, tried in order
	Cluster     string           // UUID: the scheduler is known by the cluster's name wherever it runs
	CA          *x509.CertPool   // the cluster's
	Certificate *tls.Certificate // the node's; nil before it joined
}

// NewAgent makes a client; it calls nobody yet.
func NewAgent(o Options) (*Agent, error) {
	switch {
	case len(o.Servers) == 0:
		return nil, errors.New("no scheduler is known: no server URL")
	case o.Cluster == "" || o.CA == nil:
		return nil, errors.New("the scheduler can't be told from others without the cluster's id and CA")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: o.CA, ServerName: fmt.Sprintf(api.ServerNameFmt, o.Cluster)}
	if o.Certificate != nil {
		config.Certificates = []tls.Certificate{*o.Certificate}
	}
	return &Agent{caller{servers: o.Servers, http: httpClient(config)}}, nil
}

// Join turns a join token into a certificate.
func (a *Agent) Join(ctx context.Context, r api.JoinRequest) (answer api.JoinAnswer, err error) {
	return answer, a.call(ctx, http.MethodPost, api.PathJoin, answerSlack, r, &answer)
}

// Renew gets the next certificate for the same key.
func (a *Agent) Renew(ctx context.Context, r api.RenewRequest) (answer api.JoinAnswer, err error) {
	return answer, a.call(ctx, http.MethodPost, api.PathRenew, answerSlack, r, &answer)
}

// Report tells how the node is and gets what it should be. With Seen and WaitMS the scheduler may hold it until it has something new.
func (a *Agent) Report(ctx context.Context, r api.Report) (answer api.Answer, err error) {
	wait := min(time.Duration(r.WaitMS)*time.Millisecond, api.LongPollLimit) + answerSlack
	return answer, a.call(ctx, http.MethodPost, api.PathReport, wait, r, &answer)
}

// HTTP is for packages that lie on the scheduler's side (api.PathArtifacts): it shows the node's certificate.
func (a *Agent) HTTP() *http.Client { return a.http }

// Close idle connections.
func (a *Agent) Close() { a.http.CloseIdleConnections() }

// httpClient follows no redirects: the scheduler makes none.
func httpClient(config *tls.Config) *http.Client {
	return &http.Client{Transport: transport(config), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func transport(config *tls.Config) *http.Transport {
	return &http.Transport{
		DialContext:     (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSClientConfig: config, TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConns: 2, IdleConnTimeout: 30 * time.Second, ResponseHeaderTimeout: api.LongPollLimit + answerSlack,
	}
}

// caller tries servers in order.
type caller struct {
	servers []string
	http    *http.Client
	token   api.Secret
}

// call goes to the next server only where this one can't be reached or can't serve; a refusal is an answer.
func (c *caller) call(ctx context.Context, method, path string, timeout time.Duration, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("writing the request for %s: %w", path, err)
		}
		if len(body) > api.MaxBodyBytes {
			return fmt.Errorf("writing the request for %s: %d bytes are more than the scheduler takes (%d)", path, len(body), api.MaxBodyBytes)
		}
	}
	var failures []error
	for _, server := range c.servers {
		err := c.ask(ctx, method, strings.TrimRight(server, "/")+path, timeout, body, out)
		var refused *api.Error
		if err == nil || errors.As(err, &refused) && refused.Code != api.CodeUnavailable || ctx.Err() != nil {
			return err
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

func (c *caller) ask(ctx context.Context, method, url string, timeout time.Duration, body []byte, out any) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("calling the scheduler: %w", err)
	}
	if len(body) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	if !c.token.Empty() {
		request.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("calling the scheduler: %w", err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return refusal(url, response.StatusCode, raw)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	return nil
}

// refusal is the scheduler's *api.Error, or says that something else answered.
func refusal(url string, status int, raw []byte) error {
	var e api.Error
	if err := json.Unmarshal(raw, &e); err != nil || e.Code == "" {
		return fmt.Errorf("calling %s: status %d and no answer of a scheduler: is something in between?", url, status)
	}
	return fmt.Errorf("calling %s: %w", url, &e)
}

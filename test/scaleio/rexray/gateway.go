package rexray

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	gatewayTimeout = 20 * time.Second
	maxAnswer      = 8 << 20
	codeNoVolume   = 79
)

// gateway speaks the REST API of 2.x and 3.x.
type gateway struct {
	base, user, password string
	http                 *http.Client

	mu      sync.Mutex
	token   string
	version string // X.Y: gateways refuse an Accept header with three parts
}

type gatewayError struct {
	Message string `json:"message"`
	Code    int    `json:"errorCode"`
	Status  int    `json:"httpStatusCode"`
}

func (e *gatewayError) Error() string {
	return fmt.Sprintf("gateway: %s (code %d, status %d)", e.Message, e.Code, e.Status)
}

func newGateway(c Config) *gateway {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: c.Insecure, MinVersion: tls.VersionTLS12} // the file's choice, as in the product
	return &gateway{
		base: strings.TrimSuffix(strings.TrimSuffix(c.Endpoint, "/"), "/api") + "/api", user: c.User, password: c.password,
		http: &http.Client{Transport: transport, Timeout: gatewayTimeout},
	}
}

var majorMinor = regexp.MustCompile(`^"?(\d+\.\d+)`)

// login gets a token. It is valid for some minutes, and only as long as the gateway isn't restarted.
func (g *gateway) login(ctx context.Context) error {
	body, err := g.once(ctx, http.MethodGet, "/version", nil, "", "")
	if err != nil {
		return fmt.Errorf("asking the gateway for its version: %w", err)
	}
	version := ""
	if m := majorMinor.FindSubmatch(body); m != nil {
		version = string(m[1])
	}
	body, err = g.once(ctx, http.MethodGet, "/login", nil, g.user, g.password)
	if err != nil {
		return fmt.Errorf("logging in at the gateway as %s: %w", g.user, err)
	}
	var token string
	if err := json.Unmarshal(body, &token); err != nil || token == "" {
		return errors.New("logging in at the gateway: no token in the answer")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.token, g.version = token, version
	return nil
}

// call logs in again once when the token is refused; more would be an endless loop with a wrong password.
func (g *gateway) call(ctx context.Context, method, path string, in, out any) error {
	g.mu.Lock()
	token := g.token
	g.mu.Unlock()
	body, err := g.once(ctx, method, path, in, "", token)
	var refused *gatewayError
	if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized {
		if err := g.login(ctx); err != nil {
			return err
		}
		g.mu.Lock()
		token = g.token
		g.mu.Unlock()
		body, err = g.once(ctx, method, path, in, "", token)
	}
	if err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("decoding the gateway's answer to %s: %w", path, err)
	}
	return nil
}

func (g *gateway) once(ctx context.Context, method, path string, in any, user, secret string) ([]byte, error) {
	var body io.Reader
	if method == http.MethodPost {
		data, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encoding a request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, g.base+path, body)
	if err != nil {
		return nil, fmt.Errorf("asking the gateway: %w", err)
	}
	if secret != "" {
		req.SetBasicAuth(user, secret)
	}
	g.mu.Lock()
	content := "application/json"
	if g.version != "" {
		content += ";version=" + g.version
	}
	g.mu.Unlock()
	req.Header.Set("Accept", content)
	req.Header.Set("Content-Type", content)
	resp, err := g.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the gateway: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("reading the gateway's answer: %w", err)
	}
	if resp.StatusCode < 300 {
		return answer, nil
	}
	failed := &gatewayError{}
	if json.Unmarshal(answer, failed) != nil || failed.Message == "" {
		failed.Message = http.StatusText(resp.StatusCode)
	}
	failed.Status = resp.StatusCode
	return nil, failed
}

// The objects, as far as the driver reads them.
type named struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Domain string `json:"protectionDomainId"`
}

type sdcObject struct {
	ID   string `json:"id"`
	GUID string `json:"sdcGuid"`
}

type volume struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Pool   string `json:"storagePoolId"`
	SizeKB int64  `json:"sizeInKb"`
	Mapped []struct {
		SDC string `json:"sdcId"`
	} `json:"mappedSdcInfo"`
}

func (v volume) mappedTo(sdc string) bool {
	for _, m := range v.Mapped {
		if m.SDC == sdc {
			return true
		}
	}
	return false
}

// find gives the one object that the configuration means; within is the protection domain, "" for any.
func (g *gateway) find(ctx context.Context, kind string, want idOrName, within string) (named, error) {
	var all []named
	if err := g.call(ctx, http.MethodGet, "/types/"+kind+"/instances", nil, &all); err != nil {
		return named{}, err
	}
	for _, o := range all {
		if want.matches(o.ID, o.Name) && (within == "" || o.Domain == within) {
			return o, nil
		}
	}
	return named{}, fmt.Errorf("error finding %s %s", kind, want)
}

// volume looks one up by name; nil without an error means that there is none.
func (g *gateway) volume(ctx context.Context, name string) (*volume, error) {
	var id string
	err := g.call(ctx, http.MethodPost, "/types/Volume/instances/action/queryIdByKey", map[string]string{"name": name}, &id)
	var failed *gatewayError
	if errors.As(err, &failed) && (failed.Code == codeNoVolume || strings.HasPrefix(failed.Message, "Could not find the volume")) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v := &volume{}
	if err := g.call(ctx, http.MethodGet, "/instances/Volume::"+id, nil, v); err != nil {
		return nil, err
	}
	return v, nil
}

func (g *gateway) act(ctx context.Context, volumeID, action string, body map[string]string) error {
	return g.call(ctx, http.MethodPost, "/instances/Volume::"+volumeID+"/action/"+action, body, nil)
}

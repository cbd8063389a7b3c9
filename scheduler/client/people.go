package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
)

const (
	peopleTimeout = 15 * time.Second
	backupTimeout = 10 * time.Minute
)

// People is how `status`, `plan`, `events`, `hold`, `approve`, `release`, `tokens` and `nodes` call.
type People struct {
	caller
}

// NewPeople makes a client from the cluster's CA certificate (PEM), which names the cluster and so the scheduler, and a token.
func NewPeople(server string, ca []byte, token api.Secret) (*People, error) {
	pool, cluster := x509.NewCertPool(), ""
	for rest := ca; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading the cluster's CA: %w", err)
		}
		if len(cert.URIs) != 1 || cert.URIs[0].Scheme != "scaleio" || cert.URIs[0].Host == "" || cluster != "" && cluster != cert.URIs[0].Host {
			return nil, errors.New("reading the cluster's CA: it isn't the CA of a scaleio-scheduler")
		}
		cluster = cert.URIs[0].Host
		pool.AddCert(cert) // two while it is being rotated
	}
	if cluster == "" {
		return nil, errors.New("reading the cluster's CA: not PEM")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: pool, ServerName: fmt.Sprintf(api.ServerNameFmt, cluster)}
	return &People{caller{servers: []string{server}, http: httpClient(config), token: token}}, nil
}

// Status of the cluster.
func (p *People) Status(ctx context.Context) (s api.ClusterStatus, err error) {
	return s, p.call(ctx, http.MethodGet, api.PathStatus, peopleTimeout, nil, &s)
}

// Plan is what would be done next.
func (p *People) Plan(ctx context.Context) (s api.PlanStatus, err error) {
	return s, p.call(ctx, http.MethodGet, api.PathPlan, peopleTimeout, nil, &s)
}

// Events that are kept, as far as they are asked for.
func (p *People) Events(ctx context.Context, q api.EventQuery) (e api.EventList, err error) {
	values := url.Values{}
	if !q.Since.IsZero() {
		values.Set("since", q.Since.UTC().Format(time.RFC3339))
	}
	if q.After > 0 {
		values.Set("after", strconv.FormatInt(q.After, 10))
	}
	if q.Node != "" {
		values.Set("node", q.Node)
	}
	if q.Growth {
		values.Set("growth", "true")
	}
	path := api.PathEvents
	if len(values) > 0 {
		path += "?" + values.Encode()
	}
	return e, p.call(ctx, http.MethodGet, path, peopleTimeout, nil, &e)
}

// Explain a node in words.
func (p *People) Explain(ctx context.Context, node string) (e api.Explanation, err error) {
	return e, p.call(ctx, http.MethodGet, api.PathExplain+"/"+url.PathEscape(node), peopleTimeout, nil, &e)
}

// Diagnosis of the cluster, for whoever helps.
func (p *People) Diagnosis(ctx context.Context) (d api.Diagnosis, err error) {
	return d, p.call(ctx, http.MethodGet, api.PathDiagnosis, time.Minute, nil, &d)
}

// Hold puts the brake on or takes it off.
func (p *People) Hold(ctx context.Context, r api.HoldRequest) error {
	return p.call(ctx, http.MethodPost, api.PathHold, peopleTimeout, r, nil)
}

// Approve disks of a node, or an expansion.
func (p *People) Approve(ctx context.Context, r api.ApproveRequest) (answer api.ApproveAnswer, err error) {
	err = p.call(ctx, http.MethodPost, api.PathApprove, peopleTimeout, r, &answer)
	return answer, err
}

// Release what never times out.
func (p *People) Release(ctx context.Context, r api.ReleaseRequest) error {
	return p.call(ctx, http.MethodPost, api.PathRelease, peopleTimeout, r, nil)
}

// Rollout goes on, or back.
func (p *People) Rollout(ctx context.Context, r api.RolloutRequest) error {
	return p.call(ctx, http.MethodPost, api.PathRollout, peopleTimeout, r, nil)
}

// CreateToken makes an enrolment token.
func (p *People) CreateToken(ctx context.Context, r api.TokenRequest) (made api.NewToken, err error) {
	return made, p.call(ctx, http.MethodPost, api.PathTokens, peopleTimeout, r, &made)
}

// Tokens lists the enrolment tokens.
func (p *People) Tokens(ctx context.Context) (list api.TokenList, err error) {
	return list, p.call(ctx, http.MethodGet, api.PathTokens, peopleTimeout, nil, &list)
}

// RevokeToken ends one.
func (p *People) RevokeToken(ctx context.Context, r api.TokenRevocation) error {
	return p.call(ctx, http.MethodPost, api.PathRevoke, peopleTimeout, r, nil)
}

// Recover goes on without nodes.
func (p *People) Recover(ctx context.Context, r api.RecoverRequest) error {
	return p.call(ctx, http.MethodPost, api.PathRecover, peopleTimeout, r, nil)
}

// RotateCA tells a wish for the cluster's CA.
func (p *People) RotateCA(ctx context.Context, r api.CARequest) (view api.CAView, err error) {
	return view, p.call(ctx, http.MethodPost, api.PathCA, peopleTimeout, r, &view)
}

// Node tells a wish for a node.
func (p *People) Node(ctx context.Context, r api.NodeRequest) (answer api.NodeAnswer, err error) {
	return answer, p.call(ctx, http.MethodPost, api.PathNodes, peopleTimeout, r, &answer)
}

// Backup writes the scheduler's whole state to w, or its keys alone. Whether it is whole its reader tells.
func (p *People) Backup(ctx context.Context, w io.Writer, keysOnly bool) error {
	ctx, cancel := context.WithTimeout(ctx, backupTimeout)
	defer cancel()
	url := strings.TrimRight(p.servers[0], "/") + api.PathBackup
	if keysOnly {
		url += "?keys=true"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("asking for a backup: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+p.token.Reveal())
	response, err := p.http.Do(request)
	if err != nil {
		return fmt.Errorf("asking for a backup: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		if err != nil {
			return fmt.Errorf("reading the answer of %s: %w", url, err)
		}
		return refusal(url, response.StatusCode, raw)
	}
	if _, err := io.Copy(w, response.Body); err != nil {
		return fmt.Errorf("reading the backup: %w", err)
	}
	return nil
}

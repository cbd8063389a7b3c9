package cases

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"scaleio-framework/scheduler/api"
)

// CAFile is where the scheduler puts its certificate authority for people.
func (s *Stand) CAFile() string { return s.Path("state", "ca.pem") }

// ReadTokenFile holds the token with which people may look.
func (s *Stand) ReadTokenFile() string { return s.secret("read-token") }

// OperatorTokenFile holds the token with which people may act.
func (s *Stand) OperatorTokenFile() string { return s.secret("operator-token") }

// Status asks the scheduler how things are, over HTTPS as a person would.
func (s *Stand) Status(ctx context.Context) (api.ClusterStatus, error) {
	var status api.ClusterStatus
	body, err := s.get(ctx, api.PathStatus)
	if err == nil {
		err = json.Unmarshal(body, &status)
	}
	if err != nil {
		return status, fmt.Errorf("asking the scheduler for its status: %w", err)
	}
	return status, nil
}

func (s *Stand) get(ctx context.Context, path string) ([]byte, error) {
	authority, err := os.ReadFile(s.CAFile())
	if err != nil {
		return nil, fmt.Errorf("reading the scheduler's CA: %w", err)
	}
	token, err := os.ReadFile(s.ReadTokenFile())
	if err != nil {
		return nil, fmt.Errorf("reading the token: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, errors.New("reading the scheduler's CA: no certificate in it")
	}
	transport := &http.Transport{DialContext: s.Dial, TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+cmp.Or(s.scheduler, schedulerAddress)+path, nil)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 16<<20))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", answer.Status, body)
	}
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", path, err)
	}
	return body, nil
}

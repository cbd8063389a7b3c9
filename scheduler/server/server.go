package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/trust"
)

// Cluster is what lies behind the port.
type Cluster interface {
	Join(ctx context.Context, r api.JoinRequest, csr *x509.CertificateRequest) (api.JoinAnswer, error)
	Renew(ctx context.Context, c Caller, csr *x509.CertificateRequest) (api.JoinAnswer, error)
	Report(ctx context.Context, c Caller, r api.Report) (api.Answer, error)
	Known(c Caller) error // an *api.Error unless the node's key is the one that it joined with
	Status() api.ClusterStatus
	Plan() api.PlanStatus
	Events(q api.EventQuery) api.EventList
	Explain(ctx context.Context, node string) (api.Explanation, error)
	Diagnose(ctx context.Context) (api.Diagnosis, error)
	Hold(ctx context.Context, r api.HoldRequest) error
	Approve(ctx context.Context, r api.ApproveRequest) (api.ApproveAnswer, error)
	Release(ctx context.Context, r api.ReleaseRequest) error
	Rollout(ctx context.Context, r api.RolloutRequest) error
	CreateToken(ctx context.Context, r api.TokenRequest) (api.NewToken, error)
	Tokens() api.TokenList
	Node(ctx context.Context, r api.NodeRequest) (api.NodeAnswer, error)
	RevokeToken(ctx context.Context, r api.TokenRevocation) error
	Recover(ctx context.Context, r api.RecoverRequest) error
	RotateCA(ctx context.Context, r api.CARequest) (api.CAView, error)
	Backup(ctx context.Context, w io.Writer, keysOnly bool) error
	Ready() error
}

// Caller is the node that a verified certificate names.
type Caller struct {
	Node        string
	Fingerprint string
	Certificate *x509.Certificate
	Authority   string // fingerprint of the key that signed it
}

// A Server serves one cluster.
type Server struct {
	Cluster   Cluster
	Authority func() *trust.Authority // as it stands: it may be rotated
	People    *trust.People
	Hosts     []string          // names and addresses that browsers and probes use
	Artifacts map[string]string // sha256 -> file
	Metrics   func(io.Writer)
	Counted   func(route string, status int) // nil = not counted
	Log       *slog.Logger

	attempts *rate.Limiter // of callers that aren't authenticated

	mu      sync.Mutex
	cert    *tls.Certificate
	by      *trust.Authority         // made cert
	callers map[string]*rate.Limiter // by address, of failures
}

// Deadlines and limits of every connection.
const (
	headerTimeout   = 10 * time.Second
	readTimeout     = 30 * time.Second
	writeTimeout    = api.LongPollLimit + 30*time.Second
	idleTimeout     = 30 * time.Second
	maxHeader       = 16 << 10
	shutdownTimeout = 3 * time.Second
)

// Serve until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: s.Authority().Pool(),
		GetCertificate: s.certificate, NextProtos: []string{"http/1.1"},
	}
	trusting := config.Clone()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		now := trusting.Clone()
		now.ClientCAs = s.Authority().Pool()
		return now, nil
	}
	if _, err := s.certificate(nil); err != nil {
		return err
	}
	s.attempts = rate.NewLimiter(joinRate, joinBurst)
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	server := &http.Server{
		Handler: s.Handler(), TLSConfig: config, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 alone: one less protocol on a port that root agents obey
		BaseContext:  func(net.Listener) context.Context { return base },
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(limit(l, maxConnections, maxOfAddress), "", "") }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	cancel() // lets held reports go
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer done()
	if err := server.Shutdown(stop); err != nil {
		_ = server.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving %s: %w", l.Addr(), err)
	}
	return nil
}

// certificate is made anew when two thirds of its life are over.
func (s *Server) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	by := s.Authority()
	if s.cert != nil && s.by == by && !trust.DueForRenewal(s.cert.Leaf, time.Now()) {
		return s.cert, nil
	}
	cert, err := by.Server(s.Hosts, time.Now())
	if err != nil {
		return nil, err
	}
	s.cert, s.by = &cert, by
	return s.cert, nil
}

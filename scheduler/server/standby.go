package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/trust"
)

// Standby answers on the port of a scheduler that hasn't got the state yet, until ctx ends: it lives, isn't ready, and says why to whoever may look.
// It has no certificate of the cluster, so no node takes it for the scheduler.
func Standby(ctx context.Context, l net.Listener, people *trust.People, why func() string, log *slog.Logger) error {
	cert, err := nobody()
	if err != nil {
		return err
	}
	s := &Server{People: people, Log: log}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+api.PathHealthz, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		reason := "not ready; with the read token the reason is shown"
		if s.access(r) >= trust.Reader {
			reason = why()
		}
		s.fail(w, r, api.Errorf(api.CodeUnavailable, "%s", reason))
	})
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}},
		ErrorLog:  slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(limit(l, maxConnections, maxOfAddress), "", "") }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	err = server.Close()
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// nobody's certificate: probes don't check it, and nodes refuse it.
func nobody() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "scaleio-scheduler on standby"},
		NotBefore: time.Now().Add(-trust.Backdate), NotAfter: time.Now().Add(trust.CertificateLife), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making a certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

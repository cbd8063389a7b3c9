package server

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"golang.org/x/time/rate"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/trust"
)

// Rates before anyone is authenticated: of failures of one address (many nodes may share one), and of attempts of all. Ten thousand nodes may
// join within a minute.
const (
	failureRate, failureBurst = 1, 20
	joinRate, joinBurst       = 500, 1000
	maxCallers                = 20_000
)

// within says whether an unauthenticated caller may try.
func (s *Server) within(req *http.Request) bool {
	return s.failures(req).Tokens() >= 1 && s.attempts.Allow()
}

// failed counts against the caller's address.
func (s *Server) failed(req *http.Request) { s.failures(req).Allow() }

func (s *Server) failures(req *http.Request) *rate.Limiter {
	host := addressOf(req.RemoteAddr)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.callers == nil || len(s.callers) >= maxCallers {
		s.callers = map[string]*rate.Limiter{}
	}
	l := s.callers[host]
	if l == nil {
		l = rate.NewLimiter(failureRate, failureBurst)
		s.callers[host] = l
	}
	return l
}

func (s *Server) join(w http.ResponseWriter, r *request) error {
	in, err := decode[api.JoinRequest](r)
	if err != nil {
		return err
	}
	csr, err := trust.ParseRequest(in.CSR)
	if err != nil {
		return api.Errorf(api.CodeInvalid, "%v", err)
	}
	answer, err := s.Cluster.Join(r.Context(), in, csr)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

func (s *Server) renew(w http.ResponseWriter, r *request) error {
	in, err := decode[api.RenewRequest](r)
	if err != nil {
		return err
	}
	csr, err := trust.ParseRequest(in.CSR)
	if err != nil {
		return api.Errorf(api.CodeInvalid, "%v", err)
	}
	answer, err := s.Cluster.Renew(r.Context(), r.caller, csr)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

func (s *Server) report(w http.ResponseWriter, r *request) error {
	in, err := decode[api.Report](r)
	if err != nil {
		return err
	}
	if in.Node.ID != r.caller.Node {
		return api.Errorf(api.CodeForbidden, "node %s may report only as itself, not as %q", r.caller.Node, in.Node.ID)
	}
	answer, err := s.Cluster.Report(r.Context(), r.caller, in)
	if err != nil {
		return err
	}
	answer.Renew = trust.DueForRenewal(r.caller.Certificate, time.Now()) || s.Authority().Outdated(r.caller.Certificate)
	if !answer.Wait { // an idle mTLS connection costs 50 kB, for each of many thousand nodes
		w.Header().Set("Connection", "close")
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// artifact serves a package that the manifest names by file.
func (s *Server) artifact(w http.ResponseWriter, r *request) error {
	path, ok := s.Artifacts[r.PathValue("sha256")]
	if !ok {
		return api.Errorf(api.CodeNotFound, "the manifest names no file with that digest")
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening the package: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("looking at the package: %w", err)
	}
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour)); err != nil {
		return fmt.Errorf("giving a download more time: %w", err)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r.Request, "", info.ModTime(), file) // with ranges: a broken download goes on
	return nil
}

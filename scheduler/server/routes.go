package server

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/trust"
)

// who may use a route.
type who int

const (
	anyone who = iota
	node
	reader
	operator
)

// A route says all about one path: who may call it, how much may be sent, what serves it.
type route struct {
	method, path string
	who          who
	maxBody      int64
	limited      bool // by rate, before anything is read
	serve        func(*Server, http.ResponseWriter, *request) error
}

const smallBody = 16 << 10

// routes is the whole port.
var routes = []route{
	{"POST", api.PathJoin, anyone, smallBody, true, (*Server).join},
	{"POST", api.PathRenew, node, smallBody, false, (*Server).renew},
	{"POST", api.PathReport, node, api.MaxBodyBytes, false, (*Server).report},
	{"GET", api.PathArtifacts + "/{sha256}", node, 0, false, (*Server).artifact},
	{"GET", api.PathStatus, reader, 0, false, (*Server).status},
	{"GET", api.PathPlan, reader, 0, false, (*Server).plan},
	{"GET", api.PathEvents, reader, 0, false, (*Server).events},
	{"GET", api.PathExplain + "/{node}", reader, 0, false, (*Server).explain},
	{"GET", api.PathDiagnosis, operator, 0, false, (*Server).diagnosis},
	{"POST", api.PathHold, operator, smallBody, false, (*Server).hold},
	{"POST", api.PathApprove, operator, smallBody, false, (*Server).approve},
	{"POST", api.PathRelease, operator, smallBody, false, (*Server).release},
	{"GET", api.PathTokens, reader, 0, false, (*Server).tokens},
	{"POST", api.PathTokens, operator, smallBody, false, (*Server).createToken},
	{"POST", api.PathRevoke, operator, smallBody, false, (*Server).revokeToken},
	{"POST", api.PathNodes, operator, smallBody, false, (*Server).node},
	{"POST", api.PathRecover, operator, smallBody, false, (*Server).recover},
	{"POST", api.PathCA, operator, smallBody, false, (*Server).ca},
	{"GET", api.PathBackup, operator, 0, false, (*Server).backup},
	{"POST", api.PathRollout, operator, smallBody, false, (*Server).rollout},
	{"GET", api.PathHealthz, anyone, 0, false, (*Server).healthz},
	{"GET", api.PathReadyz, anyone, 0, false, (*Server).readyz},
	{"GET", api.PathMetrics, reader, 0, false, (*Server).metrics},
	{"GET", "/{$}", anyone, 0, false, (*Server).page},
	{"POST", "/login", anyone, smallBody, true, (*Server).login},
	{"POST", "/logout", anyone, smallBody, false, (*Server).logout},
	{"GET", "/assets/{name}", anyone, 0, false, (*Server).asset},
}

// request with what is known of its sender.
type request struct {
	*http.Request
	caller Caller
	access trust.Access
}

// Handler of all routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) {
			recorder := &recorder{ResponseWriter: w, status: http.StatusOK}
			if err := s.admit(r, recorder, req); err != nil {
				s.fail(recorder, req, err)
			}
			if r.limited && recorder.status >= http.StatusBadRequest {
				s.failed(req)
			}
			if s.Counted != nil {
				s.Counted(r.path, recorder.status)
			}
		})
	}
	return mux
}

func (s *Server) admit(r route, w http.ResponseWriter, req *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.limited && !s.within(req) {
		return api.Errorf(api.CodeTooMany, "too many attempts; try again in a minute")
	}
	req.Body = http.MaxBytesReader(w, req.Body, r.maxBody)
	in := &request{Request: req, access: s.access(req)}
	switch {
	case r.who == node:
		caller, err := s.caller(req)
		if err != nil {
			return err
		}
		in.caller = caller
	case r.who == reader && in.access < trust.Reader:
		return api.Errorf(api.CodeUnauthorized, "show the read token or the operator token (Authorization: Bearer ...)")
	case r.who == operator && in.access == trust.Reader:
		return api.Errorf(api.CodeForbidden, "the read token only looks; this needs the operator token")
	case r.who == operator && in.access < trust.Operator:
		return api.Errorf(api.CodeUnauthorized, "show the operator token (Authorization: Bearer ...)")
	}
	return r.serve(s, w, in)
}

// caller names the node by its certificate, and asks whether that one may still speak for it.
func (s *Server) caller(req *http.Request) (Caller, error) {
	if req.TLS == nil || len(req.TLS.VerifiedChains) == 0 {
		return Caller{}, api.Errorf(api.CodeUnauthorized, "show the node's certificate")
	}
	cert := req.TLS.VerifiedChains[0][0]
	by := s.Authority()
	id, fingerprint, err := by.Caller(cert)
	if err != nil {
		return Caller{}, api.Errorf(api.CodeUnauthorized, "%v", err)
	}
	c := Caller{Node: id, Fingerprint: fingerprint, Certificate: cert, Authority: by.Signer(cert)}
	return c, s.Cluster.Known(c)
}

// access of a person. The cookie gives reading only, so that no other site can act through a browser.
func (s *Server) access(req *http.Request) trust.Access {
	if token, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer "); ok {
		return s.People.Bearer(strings.TrimSpace(token))
	}
	if c, err := req.Cookie(cookieName); err == nil {
		return s.People.FromCookie(c.Value, time.Now())
	}
	return trust.Nobody
}

// fail is the one place where an error becomes an answer. What isn't an *api.Error stays in the log.
func (s *Server) fail(w http.ResponseWriter, req *http.Request, err error) {
	if req.Context().Err() != nil {
		w.Header().Set("Connection", "close")
	}
	var tooLarge *http.MaxBytesError
	var known *api.Error
	switch {
	case errors.As(err, &tooLarge):
		known = api.Errorf(api.CodeInvalid, "body is larger than %d bytes", tooLarge.Limit)
	case !errors.As(err, &known):
		s.Log.Error("request failed", "path", req.URL.Path, "err", err)
		known = api.Errorf(api.CodeInternal, "internal error: see the scheduler's log")
	}
	writeJSON(w, api.HTTPStatus(known), known)
}

func decode[T any](r *request) (v T, err error) {
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return v, err
		}
		return v, api.Errorf(api.CodeInvalid, "reading the body: %v", err)
	}
	_, err = io.Copy(io.Discard, r.Body)
	return v, err
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller is gone: nobody to tell
}

// recorder remembers the status for the metrics.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

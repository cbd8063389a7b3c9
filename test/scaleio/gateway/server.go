package gateway

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"scaleio-framework/test/scaleio/mgmt"
)

// Server answers the REST API.
type Server struct {
	opt Options
	mu  sync.Mutex
	// tokens live in memory: after a restart every client must log in again.
	tokens map[string]*token
}

type token struct {
	session string // the MDM's
	user    string
	admin   bool // the gateway's own administrator: configuration only
	used    time.Time
}

// New makes a server; it starts nothing.
func New(opt Options) *Server {
	if opt.Root == "" {
		opt.Root = "/"
	}
	if opt.Port == 0 {
		opt.Port = 443
	}
	if opt.Session == 0 {
		opt.Session = defaultSession
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	return &Server{opt: opt, tokens: map[string]*token{}}
}

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	certificate, err := s.opt.certificate()
	if err != nil {
		return err
	}
	config := net.ListenConfig{}
	host := s.opt.Listen
	if host == "" {
		host = "0.0.0.0"
	}
	listener, err := config.Listen(ctx, "tcp", mgmt.Address(host, s.opt.Port))
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
		ErrorLog:  slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelDebug)}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	s.opt.Log.Info("stand-in gateway started", "mdms", s.opt.mdms())
	if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

// restError is the body of every failure.
type restError struct {
	Message string `json:"message"`
	Status  int    `json:"httpStatusCode"`
	Code    int    `json:"errorCode"`
}

func (e *restError) Error() string { return e.Message }

var (
	errUnauthorized = &restError{"Unauthorized", http.StatusUnauthorized, 0}
	errNotFound     = &restError{"Not found", http.StatusNotFound, 0}
)

func missing(parameter string) error {
	return &restError{"Request message is not valid: The following parameter(s) must be part of the request body: " + parameter + ".", http.StatusBadRequest, 0}
}

// Handler has the whole API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/version", s.open(func(*request) (any, error) { return mgmt.APIVersion, nil }))
	mux.HandleFunc("GET /api/login", s.open(s.login))
	mux.HandleFunc("GET /api/logout", s.open(s.logout))
	mux.HandleFunc("GET /api/gatewayLogin", s.open(s.gatewayLogin))
	mux.HandleFunc("GET /api/gatewayLogout", s.open(s.logout))
	mux.HandleFunc("GET /api/Configuration", s.admin(s.configuration))
	mux.HandleFunc("POST /api/updateConfiguration", s.admin(s.updateConfiguration))
	mux.HandleFunc("GET /api/getHostCertificate/Mdm", s.admin(s.hostCertificate))
	mux.HandleFunc("POST /api/trustHostCertificate/Mdm", s.admin(s.trustCertificate))
	mux.HandleFunc("GET /api/types/{type}/instances", s.authorized(s.list))
	mux.HandleFunc("POST /api/types/{type}/instances", s.authorized(s.create))
	mux.HandleFunc("POST /api/types/{type}/instances/action/queryIdByKey", s.authorized(s.idByKey))
	mux.HandleFunc("POST /api/types/{type}/instances/action/querySelectedStatistics", s.authorized(s.selectedStatistics))
	mux.HandleFunc("GET /api/instances/{object}", s.authorized(s.get))
	mux.HandleFunc("POST /api/instances/System/queryMdmCluster", s.authorized(s.mdmCluster))
	mux.HandleFunc("GET /api/instances/{object}/relationships/{relation}", s.authorized(s.related))
	mux.HandleFunc("POST /api/instances/{object}/action/{action}", s.authorized(s.act))
	mux.HandleFunc("/", s.open(func(*request) (any, error) { return nil, errNotFound }))
	return mux
}

// A request on its way: its token and, when asked for, the connection to the master.
type request struct {
	*http.Request
	server *Server
	token  *token
	body   fields
	conn   *mgmt.Conn
}

var longVersion = regexp.MustCompile(`version=\d+\.\d+\.\d+`)

// open runs a handler without asking who calls.
func (s *Server) open(fn func(*request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		req := &request{Request: r, server: s}
		var result any
		err := req.readBody()
		// A gateway tells three parts of its version and yet knows only two of them in Accept.
		if longVersion.MatchString(r.Header.Get("Accept")) {
			err = errNotFound
		}
		if err == nil {
			result, err = fn(req)
		}
		if req.conn != nil {
			_ = req.conn.Close()
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "application/json;version="+mgmt.APIVersion)
		if result == nil {
			result = struct{}{}
		}
		_ = json.NewEncoder(w).Encode(result)
	}
}

func (s *Server) authorized(fn func(*request) (any, error)) http.HandlerFunc {
	return s.open(func(r *request) (any, error) {
		if r.token = s.tokenOf(r.Request); r.token == nil || r.token.admin {
			return nil, errUnauthorized
		}
		return fn(r)
	})
}

func (s *Server) admin(fn func(*request) (any, error)) http.HandlerFunc {
	return s.open(func(r *request) (any, error) {
		if r.token = s.tokenOf(r.Request); r.token == nil || !r.token.admin {
			return nil, errUnauthorized
		}
		return fn(r)
	})
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var rest *restError
	var fault *mgmt.Fault
	switch {
	case errors.As(err, &rest):
	case errors.Is(err, mgmt.InvalidSession): // the master changed: it knows none of its predecessor's sessions
		rest = errUnauthorized
	case errors.As(err, &fault):
		rest = &restError{fault.Text, http.StatusInternalServerError, fault.Code}
	default:
		s.opt.Log.Warn("request failed", "path", r.URL.Path, "err", err)
		rest = &restError{"Could not connect to MDM", http.StatusInternalServerError, 377}
	}
	s.opt.Log.Debug("refused", "method", r.Method, "path", r.URL.Path, "status", rest.Status, "message", rest.Message)
	w.Header().Set("Content-Type", "application/json;version="+mgmt.APIVersion)
	w.WriteHeader(rest.Status)
	_ = json.NewEncoder(w).Encode(rest)
}

const maxBody = 1 << 20

func (r *request) readBody() error {
	r.body = fields{}
	if r.Method != http.MethodPost || strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return fmt.Errorf("reading the request: %w", err)
	}
	if len(strings.TrimSpace(string(raw))) == 0 || string(raw) == "null\n" {
		return nil // the vendor's own Go client removes devices this way
	}
	if json.Unmarshal(raw, &r.body) != nil {
		return &restError{"Request message is not valid: the body isn't a JSON object.", http.StatusBadRequest, 0}
	}
	return nil
}

// call asks the master; the connection serves the whole request.
func (r *request) call(cmd string, args, result any) error {
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	if r.conn == nil {
		conn, err := mgmt.FindMaster(ctx, "gateway", r.server.opt.mdms(), r.server.opt.trust())
		if err != nil {
			return err
		}
		r.conn = conn
	}
	session := ""
	if r.token != nil {
		session = r.token.session
	}
	return r.conn.Call(ctx, session, cmd, args, result)
}

func (r *request) view() (mgmt.View, error) {
	var v mgmt.View
	return v, r.call(mgmt.CmdView, nil, &v)
}

// login takes Basic credentials and gives a token, itself the password of later Basic headers.
func (s *Server) login(r *request) (any, error) {
	user, password, ok := r.BasicAuth()
	if !ok {
		return nil, errUnauthorized
	}
	var in mgmt.LoggedIn
	err := r.call(mgmt.CmdLogin, mgmt.Login{User: user, Password: password}, &in)
	if errors.Is(err, mgmt.PermissionDenied) {
		return nil, errUnauthorized
	}
	if err != nil {
		return nil, err
	}
	return s.issue(&token{session: in.Session, user: user}), nil
}

func (s *Server) gatewayLogin(r *request) (any, error) {
	user, password, ok := r.BasicAuth()
	if !ok || user != "admin" || !s.opt.isAdminPassword(password) {
		return nil, errUnauthorized
	}
	return s.issue(&token{user: user, admin: true}), nil
}

func (s *Server) issue(t *token) string {
	var secret [16]byte
	_, _ = rand.Read(secret[:])
	id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s:%d:%s", t.user, time.Now().UnixMilli(), hex.EncodeToString(secret[:])))
	t.used = time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, v := range s.tokens {
		if time.Since(v.used) > s.opt.Session {
			delete(s.tokens, old)
		}
	}
	s.tokens[id] = t
	return id
}

// tokenOf accepts any user beside the token: clients send none, their name or admin.
func (s *Server) tokenOf(r *http.Request) *token {
	_, id, ok := r.BasicAuth()
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[id]
	if t == nil || time.Since(t.used) > s.opt.Session {
		return nil
	}
	t.used = time.Now()
	return t
}

func (s *Server) logout(r *request) (any, error) {
	_, id, _ := r.BasicAuth()
	if r.token = s.tokenOf(r.Request); r.token == nil {
		return nil, errUnauthorized
	}
	s.mu.Lock()
	delete(s.tokens, id)
	s.mu.Unlock()
	if !r.token.admin {
		_ = r.call(mgmt.CmdLogout, nil, nil)
	}
	return "", nil
}

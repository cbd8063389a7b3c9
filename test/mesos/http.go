package mesos

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"github.com/gogo/protobuf/proto"

	"scaleio-framework/test/mesos/link"
	"scaleio-framework/test/mesos/wire"
)

const (
	mediaJSON     = "application/json"
	mediaProtobuf = "application/x-protobuf"

	maxBody = 16 << 20
)

// Handler serves everything that a master answers on its port.
func (m *Master) Handler() http.Handler { return m.mux }

func (m *Master) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, prefix := range []string{"", "/master"} {
		mux.HandleFunc(prefix+"/api/v1/scheduler", m.serveScheduler)
		mux.Handle(prefix+"/api/v1", m.leading(m.serveOperator))
		mux.Handle(prefix+"/api/v1/", m.leading(m.serveOperator))
		mux.Handle(prefix+"/state", m.leading(m.serveState))
		mux.Handle(prefix+"/slaves", m.leading(m.serveAgents))
		mux.Handle(prefix+"/frameworks", m.leading(m.serveFrameworks))
		mux.Handle(prefix+"/teardown", m.leading(m.serveTeardown))
		mux.HandleFunc(prefix+"/redirect", m.serveRedirect)
		mux.HandleFunc(prefix+"/health", m.serveHealth)
	}
	mux.HandleFunc("/version", m.serveVersion)
	mux.HandleFunc("/flags", m.serveFlags)
	mux.HandleFunc("/master/flags", m.serveFlags)
	mux.HandleFunc("POST "+link.RegisterPath, m.serveAgent)
	mux.HandleFunc("POST "+link.UpdatePath, m.serveAgentUpdate)
	mux.HandleFunc("POST "+link.UnregisterPath, m.serveAgentUnregister)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "404 Not Found.")
	})
	return mux
}

// leading lets only a leader answer: all others point to it before they look
// at the request at all.
func (m *Master) leading(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		leader, recovering := m.leader, m.recovering
		m.mu.Unlock()
		switch {
		case leader != "":
			path := r.URL.Path
			if !strings.HasPrefix(path, "/master/") {
				path = "/master" + path
			}
			location := "//" + leader + path
			if r.URL.RawQuery != "" {
				location += "?" + r.URL.RawQuery
			}
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusTemporaryRedirect)
		case recovering:
			refuse(w, http.StatusServiceUnavailable, "Master has not finished recovery")
		default:
			next(w, r)
		}
	})
}

func (m *Master) serveRedirect(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	leader := m.leader
	m.mu.Unlock()
	if leader == "" {
		leader = m.hostPort()
	}
	w.Header().Set("Location", "//"+leader)
	w.WriteHeader(http.StatusTemporaryRedirect)
}

// refuse answers with a text, without the newline that http.Error adds.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

// A refusal is an HTTP status with Mesos' words.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

func refused(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

func answerError(w http.ResponseWriter, err error) {
	var r *refusal
	if !errors.As(err, &r) {
		r = &refusal{http.StatusInternalServerError, err.Error()}
	}
	refuse(w, r.status, r.text)
}

// readCall makes the checks that scheduler and operator calls share, in
// Mesos' order: method, Content-Type, body.
func readCall(w http.ResponseWriter, r *http.Request, call proto.Message) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return refused(http.StatusMethodNotAllowed,
			"405 Method Not Allowed. Expecting one of { 'POST' }, but received '%s'.", r.Method)
	}
	contentType := r.Header.Get("Content-Type")
	if contentType == "" {
		return refused(http.StatusBadRequest, "Expecting 'Content-Type' to be present")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return refused(http.StatusBadRequest, "Failed to read body: %v", err)
	}
	switch contentType {
	case mediaProtobuf:
		if proto.Unmarshal(body, call) != nil {
			return refused(http.StatusBadRequest, "Failed to parse body into Call protobuf")
		}
	case mediaJSON:
		var syntax *wire.SyntaxError
		switch err := wire.Unmarshal(body, call); {
		case errors.As(err, &syntax):
			return refused(http.StatusBadRequest, "Failed to parse body into JSON: %v", err)
		case err != nil:
			return refused(http.StatusBadRequest, "Failed to convert JSON into Call protobuf: %v", err)
		}
	default:
		return refused(http.StatusUnsupportedMediaType,
			"Expecting 'Content-Type' of %s or %s", mediaJSON, mediaProtobuf)
	}
	return nil
}

// negotiate picks the type of the answer: JSON whenever it is allowed.
func negotiate(r *http.Request) (protobuf bool, err error) {
	accept := r.Header.Get("Accept")
	if accept == "" {
		return false, nil
	}
	for _, each := range strings.Split(accept, ",") {
		switch kind, _, _ := mime.ParseMediaType(each); kind {
		case mediaJSON, "*/*", "application/*":
			return false, nil
		case mediaProtobuf:
			protobuf = true
		}
	}
	if !protobuf {
		return false, refused(http.StatusNotAcceptable, "Expecting 'Accept' to allow '%s' or '%s'", mediaProtobuf, mediaJSON)
	}
	return true, nil
}

// authenticate checks HTTP basic authentication where credentials are set.
func (m *Master) authenticate(w http.ResponseWriter, r *http.Request) (principal string, err error) {
	if m.cfg.Credentials == nil {
		return "", nil
	}
	user, password, _ := r.BasicAuth()
	secret, known := m.cfg.Credentials[user]
	if !known || subtle.ConstantTimeCompare([]byte(secret), []byte(password)) != 1 {
		w.Header().Set("Www-Authenticate", `Basic realm="mesos-master-scheduler"`)
		return "", refused(http.StatusUnauthorized, "401 Unauthorized.")
	}
	return user, nil
}

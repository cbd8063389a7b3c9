package installer_test

import (
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/scheduler/api"
)

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/version", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`"3.6"`)) })
	mux.HandleFunc("POST /Plugin.Activate", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) })
	mux.HandleFunc("GET /away", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("GET /redirect", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/api/version", http.StatusFound) })
	return mux
}

func TestAskHTTP_trustsThePinnedCertificateOnly(t *testing.T) {
	server := httptest.NewTLSServer(handler())
	defer server.Close()
	own := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	body, err := installer.AskHTTP(t.Context(), installer.Question{URL: server.URL + "/api/version", Roots: own})
	require.NoError(t, err)
	assert.Equal(t, `"3.6"`, string(body))

	other := []byte(one().Certificate())
	for name, roots := range map[string][]byte{"another's": other, "the system's": nil, "nonsense": []byte("no certificate")} {
		_, err := installer.AskHTTP(t.Context(), installer.Question{URL: server.URL + "/api/version", Roots: roots})
		assert.Error(t, err, name)
	}
}

func TestAskHTTP_statusAndRedirect(t *testing.T) {
	server := httptest.NewServer(handler())
	defer server.Close()
	_, err := installer.AskHTTP(t.Context(), installer.Question{URL: server.URL + "/away"})
	var says *installer.AnswerError
	require.ErrorAs(t, err, &says)
	assert.Equal(t, http.StatusServiceUnavailable, says.Status)
	_, err = installer.AskHTTP(t.Context(), installer.Question{URL: server.URL + "/redirect"})
	assert.ErrorContains(t, err, "redirected")
}

func TestAskHTTP_overASocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "mesos.sock")
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(handler())
	server.Listener = listener
	server.Start()
	defer server.Close()
	_, err = installer.AskHTTP(t.Context(), installer.Question{Method: http.MethodPost, URL: "http://plugin/Plugin.Activate", Socket: socket})
	assert.NoError(t, err)
}

func TestSecrets_areRedactedInInput(t *testing.T) {
	n := one()
	n.Secrets.Admin = api.NewSecret("admin secret")
	assert.NotContains(t, sprint(n.Input()), "secret")
}

func sprint(v any) string { return fmt.Sprintf("%v %+v %#v", v, v, v) }

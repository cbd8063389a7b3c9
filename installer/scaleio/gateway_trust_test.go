package scaleio_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer/scaleio"
)

const shown = "-----BEGIN CERTIFICATE-----\nMAECAQ==\n-----END CERTIFICATE-----\n"

// distrustful is a gateway that speaks to no MDM before its administrator trusted one.
func distrustful(t *testing.T) (endpoint string, trusted *string) {
	t.Helper()
	trusted = new(string)
	fail := func(w http.ResponseWriter, status int, message string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"message": message, "httpStatusCode": status, "errorCode": 0})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/login", func(w http.ResponseWriter, _ *http.Request) {
		if *trusted == "" {
			fail(w, 500, "Could not connect to MDM")
			return
		}
		fail(w, 401, "Unauthorized")
	})
	mux.HandleFunc("GET /api/gatewayLogin", func(w http.ResponseWriter, r *http.Request) {
		if _, pass, _ := r.BasicAuth(); pass != password {
			fail(w, 401, "Unauthorized")
			return
		}
		_, _ = io.WriteString(w, `"the-token"`)
	})
	authorized := func(do http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if _, pass, _ := r.BasicAuth(); pass != "the-token" {
				fail(w, 401, "Unauthorized")
				return
			}
			do(w, r)
		}
	}
	mux.HandleFunc("GET /api/gatewayLogout", authorized(func(http.ResponseWriter, *http.Request) {}))
	mux.HandleFunc("GET /api/getHostCertificate/Mdm", authorized(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "10.0.0.1", r.URL.Query().Get("host"))
		_ = json.NewEncoder(w).Encode(shown)
	}))
	mux.HandleFunc("POST /api/trustHostCertificate/Mdm", authorized(func(_ http.ResponseWriter, r *http.Request) {
		file, _, err := r.FormFile("file")
		if assert.NoError(t, err) {
			raw, _ := io.ReadAll(file)
			*trusted = string(raw)
		}
	}))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL, trusted
}

func TestGatewayAdmin_trustsAnMDM(t *testing.T) {
	url, trusted := distrustful(t)
	reaches, err := scaleio.ReachesMDM(t.Context(), http.DefaultClient, url)
	require.NoError(t, err)
	assert.False(t, reaches)

	admin := scaleio.GatewayAdmin{Client: http.DefaultClient, Endpoint: url, Password: secret(password)}
	certificate, err := admin.HostCertificate(t.Context(), "10.0.0.1")
	require.NoError(t, err)
	assert.Equal(t, shown, string(certificate))
	require.NoError(t, admin.Trust(t.Context(), certificate))
	assert.Equal(t, shown, *trusted)

	reaches, err = scaleio.ReachesMDM(t.Context(), http.DefaultClient, url)
	require.NoError(t, err)
	assert.True(t, reaches)

	admin.Password = secret("no")
	err = admin.Trust(t.Context(), certificate)
	assert.Equal(t, scaleio.KindNotAuthenticated, scaleio.KindOf(err))
}

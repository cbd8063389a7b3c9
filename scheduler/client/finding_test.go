package client_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/client"
)

// As recorded of Mesos 1.11: GET_FRAMEWORKS over the operator API; a master that doesn't lead redirects with a scheme-relative Location.
func TestFind_asksTheLeadingMaster(t *testing.T) {
	leader := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		assert.JSONEq(t, `{"type":"GET_FRAMEWORKS"}`, string(body))
		_, _ = io.WriteString(w, `{"type":"GET_FRAMEWORKS","get_frameworks":{"frameworks":[
			{"framework_info":{"id":{"value":"other"},"webui_url":"https://other:1"}},
			{"framework_info":{"id":{"value":"ours"},"webui_url":"https://10.0.0.9:31007/"}},
			{"framework_info":{"id":{"value":"plain"},"webui_url":"http://10.0.0.9:31007/"}}]}}`)
	}))
	defer leader.Close()
	follower := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", strings.TrimPrefix(leader.URL, "http:")+"/master"+r.URL.Path)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	defer follower.Close()

	url, err := client.Find(t.Context(), api.MesosHint{Masters: []string{"http://127.0.0.1:1", follower.URL}, Framework: "ours"})
	require.NoError(t, err)
	assert.Equal(t, "https://10.0.0.9:31007", url)
	for _, framework := range []string{"gone", "plain"} {
		_, err = client.Find(t.Context(), api.MesosHint{Masters: []string{leader.URL}, Framework: framework})
		require.Error(t, err, framework)
	}
}

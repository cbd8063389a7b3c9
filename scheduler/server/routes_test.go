package server

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/trust"
)

// Every route there is, and will be: the read token only looks, and whoever has none gets as far as to say who he is.
func TestRoutes_readTokenAndStrangers(t *testing.T) {
	s := &Server{People: trust.NewPeople("read", "operate"), Log: slog.New(slog.DiscardHandler)} // no cluster: whoever gets through ends in a panic
	h := s.Handler()
	ask := func(r route, token string) int {
		req := httptest.NewRequest(r.method, strings.NewReplacer("{node}", "n1", "{sha256}", "aa", "{name}", "none", "{$}", "").Replace(r.path), strings.NewReader("{}"))
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		return w.Code
	}
	open := map[string]bool{api.PathJoin: true, api.PathHealthz: true, api.PathReadyz: true, "/{$}": true, "/login": true, "/logout": true, "/assets/{name}": true}
	for _, r := range routes {
		assert.LessOrEqual(t, r.maxBody, int64(api.MaxBodyBytes), r.path)
		assert.False(t, r.method == http.MethodGet && r.maxBody > 0, "%s takes a body", r.path)
		switch r.who {
		case anyone:
			assert.True(t, open[r.path], "%s is open to anyone", r.path)
			continue
		case reader:
			assert.Equal(t, http.MethodGet, r.method, "%s lets the read token act", r.path)
		case operator:
			assert.Equal(t, http.StatusForbidden, ask(r, "read"), r.path)
		case node:
			assert.Equal(t, http.StatusUnauthorized, ask(r, "operate"), "%s: a token is no node", r.path)
		}
		assert.Equal(t, http.StatusUnauthorized, ask(r, ""), r.path)
		assert.Equal(t, http.StatusUnauthorized, ask(r, "guess"), r.path)
	}
}

package client

import (
	"net/http"
	"testing"
)

// Whatever stands between us and the scheduler: a refusal is never taken for an answer.
func FuzzRefusal(f *testing.F) {
	f.Add(403, []byte(`{"code":"forbidden","message":"no"}`))
	f.Add(502, []byte("<html>Bad Gateway"))
	f.Fuzz(func(t *testing.T, status int, raw []byte) {
		if status != http.StatusOK && refusal("https://s", status, raw) == nil {
			t.Errorf("%d %q is an answer", status, raw)
		}
	})
}

package client

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
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

type master []byte

func (m master) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Status: "200 OK", Body: io.NopCloser(bytes.NewReader(m)), Request: r, Header: http.Header{}}, nil
}

// What a Mesos master says of where the scheduler is: an https URL of a host, without a password, or nothing.
func FuzzFind(f *testing.F) {
	f.Add([]byte(`{"get_frameworks":{"frameworks":[{"framework_info":{"id":{"value":"f-1"},"webui_url":"https://10.0.0.1:9443/"}}]}}`))
	f.Add([]byte(`{"get_frameworks":{"frameworks":[{"framework_info":{"id":{"value":"f-1"},"webui_url":"https://me:pw@10.0.0.1/a?b#c"}}]}}`))
	f.Add([]byte(`{"get_frameworks":{"frameworks":[{"framework_info":{"id":{"value":"f-1"},"webui_url":"https://:1/%2f"}}]}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		found, err := ask(t.Context(), &http.Client{Transport: master(answer)}, "http://m1:5050", "f-1")
		if err != nil {
			return
		}
		u, err := url.Parse(found)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("%q leads to %q: %v", answer, found, err)
		}
	})
}

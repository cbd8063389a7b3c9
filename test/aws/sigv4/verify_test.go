package sigv4_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/aws/sigv4"
)

// The example of AWS' documentation on signing, which shows each step's result.
func documented() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08", nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("X-Amz-Date", "20150830T123600Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "+
		"SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7")
	return r
}

const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

func TestMade(t *testing.T) {
	r := documented()
	s, err := sigv4.Of(r)
	require.NoError(t, err)
	assert.Equal(t, "AKIDEXAMPLE", s.AccessKey)
	assert.Equal(t, "us-east-1", s.Region)
	assert.Equal(t, "iam", s.Service)
	assert.Equal(t, time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC), s.At)
	assert.True(t, s.Made(secret, r, nil))

	assert.False(t, s.Made(secret+"x", r, nil), "another secret")
	assert.False(t, s.Made(secret, r, []byte("x")), "another body")
	r.URL.RawQuery = "Action=DeleteUser&Version=2010-05-08"
	assert.False(t, s.Made(secret, r, nil), "another query")
	r = documented()
	r.Header.Set("Content-Type", "text/plain")
	assert.False(t, s.Made(secret, r, nil), "another header that is signed")
}

func TestOf_refuses(t *testing.T) {
	for name, change := range map[string]func(http.Header){
		"none":      func(h http.Header) { h.Del("Authorization") },
		"version 2": func(h http.Header) { h.Set("Authorization", "AWS AKID:sig") },
		"scope":     func(h http.Header) { h.Set("Authorization", strings.Replace(h.Get("Authorization"), "/iam/", "/", 1)) },
		"no signature": func(h http.Header) {
			h.Set("Authorization", strings.Replace(h.Get("Authorization"), "Signature=", "S=", 1))
		},
		"host unsigned": func(h http.Header) { h.Set("Authorization", strings.Replace(h.Get("Authorization"), ";host", "", 1)) },
		"another day":   func(h http.Header) { h.Set("X-Amz-Date", "20150831T123600Z") },
		"no time":       func(h http.Header) { h.Del("X-Amz-Date") },
	} {
		r := documented()
		change(r.Header)
		_, err := sigv4.Of(r)
		assert.Error(t, err, name)
	}
}

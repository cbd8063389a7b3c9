package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Signature of a request, taken apart.
type Signature struct {
	AccessKey string
	Date      string // of the key's scope: 20060102
	Region    string
	Service   string
	Headers   []string // that are signed
	At        time.Time

	stamp string
	hash  string
}

// ErrMissing means that a request isn't signed, or not in this way.
var ErrMissing = errors.New("the request has no signature of version 4")

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
)

// Of finds a request's signature.
func Of(r *http.Request) (Signature, error) {
	var s Signature
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), algorithm+" ")
	if !ok {
		return s, ErrMissing
	}
	fields := map[string]string{}
	for _, field := range strings.Split(rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[key] = value
	}
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" || fields["SignedHeaders"] == "" || fields["Signature"] == "" {
		return s, ErrMissing
	}
	s = Signature{AccessKey: scope[0], Date: scope[1], Region: scope[2], Service: scope[3], Headers: strings.Split(fields["SignedHeaders"], ";"),
		stamp: r.Header.Get("X-Amz-Date"), hash: fields["Signature"]}
	at, err := time.Parse(timeFormat, s.stamp)
	if err != nil || !strings.HasPrefix(s.stamp, s.Date) {
		return s, fmt.Errorf("reading the time of a signature: %q", s.stamp)
	}
	s.At = at
	if !slices.Contains(s.Headers, "host") {
		return s, errors.New("the signature doesn't cover the host")
	}
	return s, nil
}

// Made is whether the signature was made with this secret over this request.
func (s Signature) Made(secret string, r *http.Request, body []byte) bool {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.Date, s.Region, s.Service, "aws4_request"} {
		key = sign(key, part)
	}
	scope := strings.Join([]string{s.Date, s.Region, s.Service, "aws4_request"}, "/")
	toSign := strings.Join([]string{algorithm, s.stamp, scope, sum([]byte(s.canonical(r, body)))}, "\n")
	return hmac.Equal([]byte(hex.EncodeToString(sign(key, toSign))), []byte(s.hash))
}

// canonical form of a request.
func (s Signature) canonical(r *http.Request, body []byte) string {
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	var headers strings.Builder
	for _, name := range s.Headers {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length": // Go's server takes it out of the header
			value = fmt.Sprint(r.ContentLength)
		}
		headers.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	return strings.Join([]string{r.Method, path, query(r.URL.Query()), headers.String(), strings.Join(s.Headers, ";"), sum(body)}, "\n")
}

// query is sorted, with blanks as %20.
func query(values url.Values) string { return strings.ReplaceAll(values.Encode(), "+", "%20") }

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

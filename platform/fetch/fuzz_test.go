package fetch

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type answer struct {
	status      int
	rangeHeader string
	media       string
	body        []byte
}

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	h := http.Header{"Content-Range": {a.rangeHeader}, "Content-Type": {a.media}, "Etag": {`"1"`}}
	return &http.Response{StatusCode: a.status, Status: strconv.Itoa(a.status), Header: h, Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: -1, Request: r}, nil
}

// Whatever a server answers, and whatever lies beside the file of an earlier attempt: what is at the place in the end is what was wanted, or nothing.
func FuzzFetch(f *testing.F) {
	const whole = "what was wanted"
	sum := sha256.Sum256([]byte(whole))
	mark := []byte(`{"url":"http://s/f","etag":"\"1\""}`)
	f.Add(200, "", "application/octet-stream", []byte(whole), []byte{}, []byte{})
	f.Add(206, "bytes 5-14/15", "", []byte(whole[5:]), []byte(whole[:5]), mark)
	f.Add(206, "bytes 4-14/15", "", []byte(whole[5:]), []byte(whole[:5]), mark)
	f.Add(206, "bytes -5-9", "", []byte(whole), []byte("other"), mark)
	f.Add(416, "bytes */3", "", []byte{}, []byte(whole+"and more"), mark)
	f.Add(200, "", "text/html; charset=\"", []byte("<!DOCTYPE html>"), []byte{}, []byte("{"))
	f.Fuzz(func(t *testing.T, status int, rangeHeader, media string, body, came, mark []byte) {
		dir := t.TempDir()
		want := File{URL: "http://s/f", Path: filepath.Join(dir, "f"), Size: int64(len(whole)), SHA256: hex.EncodeToString(sum[:]),
			Client: &http.Client{Transport: answer{status, rangeHeader, media, body}}}
		require.NoError(t, os.WriteFile(want.Path+".part", came, 0o600))
		require.NoError(t, os.WriteFile(want.Path+".part.mark", mark, 0o600))
		fetcher := Fetcher{Attempts: 3, Pause: func(int) time.Duration { return 0 }}
		err := fetcher.Fetch(t.Context(), want)
		got, readErr := os.ReadFile(want.Path)
		switch {
		case err == nil && string(got) != whole:
			t.Errorf("%q came", got)
		case err != nil && readErr == nil:
			t.Errorf("%q lies there, though %v", got, err)
		}
		if part, err := os.Stat(want.Path + ".part"); err == nil && part.Size() > int64(max(len(whole), len(came))) {
			t.Errorf("%d bytes are kept", part.Size())
		}
	})
}

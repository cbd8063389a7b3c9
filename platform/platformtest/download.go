package platformtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"sync"

	"scaleio-framework/platform/fetch"
)

// Download fetches from pages in memory into Files, with the checks of the real one.
type Download struct {
	Hook  Hook
	Files *Files

	mu      sync.Mutex
	pages   map[string][]byte
	fetches map[string]int
}

// Serve a body under a URL; nil takes it away.
func (d *Download) Serve(url string, body []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pages == nil {
		d.pages, d.fetches = map[string][]byte{}, map[string]int{}
	}
	d.pages[url] = body
}

// Fetches counts the downloads from a URL.
func (d *Download) Fetches(url string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fetches[url]
}

// Fetch one file.
func (d *Download) Fetch(_ context.Context, want fetch.File) error {
	return d.Hook.do("fetch "+want.URL, func() error {
		d.mu.Lock()
		body, ok := d.pages[want.URL]
		if ok && body != nil {
			d.fetches[want.URL]++
		}
		d.mu.Unlock()
		sum := sha256.Sum256(body)
		switch {
		case want.SHA256 == "" && !strings.HasPrefix(want.URL, "https://"):
			return &fetch.Error{Kind: fetch.Unvouched, URL: want.URL}
		case body == nil:
			return &fetch.Error{Kind: fetch.NotFound, URL: want.URL}
		case want.Size > 0 && int64(len(body)) < want.Size:
			return &fetch.Error{Kind: fetch.Truncated, URL: want.URL}
		case want.Size > 0 && int64(len(body)) > want.Size:
			return &fetch.Error{Kind: fetch.TooLarge, URL: want.URL}
		case want.SHA256 != "" && hex.EncodeToString(sum[:]) != want.SHA256:
			return &fetch.Error{Kind: fetch.WrongDigest, URL: want.URL, Detail: fmt.Sprintf("%x", sum)}
		}
		d.Files.Set(path.Clean(want.Path), string(body), 0o600)
		return nil
	})
}

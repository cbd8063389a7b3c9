package fetch_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/fetch"
)

var body = bytes.Repeat([]byte("0123456789abcdef"), 20_000) // 320 kB

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func quick() *fetch.Fetcher {
	return &fetch.Fetcher{StallAfter: 5 * time.Second, Attempts: 3, Pause: func(int) time.Duration { return 0 }}
}

func serve(t *testing.T, h http.HandlerFunc) (*httptest.Server, fetch.File) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s, fetch.File{URL: s.URL + "/sds.deb?token=geheim", Path: filepath.Join(t.TempDir(), "packages", "sds.deb"), Size: int64(len(body)), SHA256: sum(body)}
}

func whole(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"v1"`)
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// half sends the headers of all and the first part of the body, then drops the connection.
func half(w http.ResponseWriter, n int) {
	w.Header().Set("ETag", `"v1"`)
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	_, _ = w.Write(body[:n])
	w.(http.Flusher).Flush()
	panic(http.ErrAbortHandler)
}

func requireWhole(t *testing.T, want fetch.File) {
	t.Helper()
	got, err := os.ReadFile(want.Path)
	require.NoError(t, err)
	require.Equal(t, want.SHA256, sum(got))
	left, err := filepath.Glob(want.Path + ".*")
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestFetch(t *testing.T) {
	var requests atomic.Int32
	_, want := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		whole(w, r)
	})
	require.NoError(t, quick().Fetch(t.Context(), want))
	requireWhole(t, want)
	require.NoError(t, quick().Fetch(t.Context(), want))
	assert.EqualValues(t, 1, requests.Load(), "what is there isn't fetched again")

	require.NoError(t, os.WriteFile(want.Path, []byte("damaged"), 0o600))
	require.NoError(t, quick().Fetch(t.Context(), want))
	requireWhole(t, want)
}

func TestFetch_refuses(t *testing.T) {
	for _, row := range []struct {
		name  string
		kind  fetch.Kind
		serve http.HandlerFunc
		tries int32
	}{
		{"a login page with status 200", fetch.HTMLPage, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, "<html>please log in")
		}, 1},
		{"a login page that calls itself a file", fetch.HTMLPage, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/octet-stream")
			fmt.Fprint(w, "\n <!DOCTYPE HTML><html>")
		}, 1},
		{"another file of the same size", fetch.WrongDigest, func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(bytes.Repeat([]byte("x"), len(body)))
		}, 1},
		{"a larger file, said in the headers", fetch.TooLarge, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)+1))
		}, 1},
		{"a larger file, not said", fetch.TooLarge, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			for range 30 {
				_, _ = w.Write(body[:16_000])
				w.(http.Flusher).Flush()
			}
		}, 1},
		{"a body that always ends early", fetch.Truncated, func(w http.ResponseWriter, r *http.Request) { half(w, 1000) }, 3},
		{"a shorter file", fetch.Truncated, func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(body[:1000]) }, 3},
		{"not there", fetch.NotFound, http.NotFound, 1},
		{"not allowed", fetch.Refused, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }, 1},
		{"a broken server", fetch.ServerError, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusBadGateway) }, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			var tries atomic.Int32
			_, want := serve(t, func(w http.ResponseWriter, r *http.Request) {
				tries.Add(1)
				row.serve(w, r)
			})
			err := quick().Fetch(t.Context(), want)
			var failed *fetch.Error
			require.ErrorAs(t, err, &failed)
			assert.Equal(t, row.kind, failed.Kind)
			assert.NotContains(t, err.Error(), "geheim")
			assert.NoFileExists(t, want.Path)
			assert.Equal(t, row.tries, tries.Load())
		})
	}
}

func TestFetch_brokenServerHeals(t *testing.T) {
	var tries atomic.Int32
	_, want := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if tries.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		whole(w, r)
	})
	require.NoError(t, quick().Fetch(t.Context(), want))
	requireWhole(t, want)
}

func TestFetch_resumesInsideOneCall(t *testing.T) {
	var ranges []string
	_, want := serve(t, func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		if len(ranges) == 1 {
			half(w, 100_000)
		}
		whole(w, r)
	})
	require.NoError(t, quick().Fetch(t.Context(), want))
	requireWhole(t, want)
	require.Len(t, ranges, 2)
	assert.True(t, strings.HasPrefix(ranges[1], "bytes=") && ranges[1] != "bytes=0-", ranges[1])
}

// interrupted leaves a partial file behind, as a process that was killed would.
func interrupted(t *testing.T, want fetch.File) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { half(w, 64_000) }))
	defer s.Close()
	first := want
	f := quick()
	f.Attempts = 1
	require.Error(t, f.Fetch(t.Context(), first))
	info, err := os.Stat(want.Path + ".part")
	require.NoError(t, err)
	require.Positive(t, info.Size())
}

func TestFetch_resumesAfterRestart(t *testing.T) {
	cut := true
	var asked, ifRange string
	_, want := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if cut {
			half(w, 64_000)
		}
		asked, ifRange = r.Header.Get("Range"), r.Header.Get("If-Range")
		whole(w, r)
	})
	interrupted(t, want)
	cut = false
	require.NoError(t, quick().Fetch(t.Context(), want))
	requireWhole(t, want)
	assert.NotEmpty(t, asked)
	assert.Equal(t, `"v1"`, ifRange)
}

func TestFetch_fileChangedBetween(t *testing.T) {
	t.Run("seen by its validator", func(t *testing.T) {
		cut := true
		_, want := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if cut {
				w.Header().Set("ETag", `"old"`)
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				_, _ = w.Write(bytes.Repeat([]byte("o"), 64_000))
				panic(http.ErrAbortHandler)
			}
			whole(w, r)
		})
		interrupted(t, want)
		cut = false
		require.NoError(t, quick().Fetch(t.Context(), want))
		requireWhole(t, want)
	})
	t.Run("a server without validators: seen by the digest, begun anew", func(t *testing.T) {
		cut := true
		_, want := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if cut {
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				_, _ = w.Write(bytes.Repeat([]byte("o"), 64_000))
				panic(http.ErrAbortHandler)
			}
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
		})
		interrupted(t, want)
		cut = false
		require.NoError(t, quick().Fetch(t.Context(), want))
		requireWhole(t, want)
	})
}

func TestFetch_serverThatIgnoresRanges(t *testing.T) {
	var tries int
	_, want := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if tries++; tries == 1 {
			half(w, 64_000)
		}
		_, _ = w.Write(body)
	})
	require.NoError(t, quick().Fetch(t.Context(), want))
	requireWhole(t, want)
}

func TestFetch_redirects(t *testing.T) {
	plain := httptest.NewServer(http.HandlerFunc(whole))
	defer plain.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/inside" {
			whole(w, r)
			return
		}
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
	}))
	defer secure.Close()
	want := fetch.File{Path: filepath.Join(t.TempDir(), "x"), Size: int64(len(body)), SHA256: sum(body), Client: secure.Client()}

	want.URL = secure.URL + "/?to=" + plain.URL
	err := quick().Fetch(t.Context(), want)
	var failed *fetch.Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, fetch.InsecureRedirect, failed.Kind)

	want.URL = secure.URL + "/?to=/inside"
	require.NoError(t, quick().Fetch(t.Context(), want))
	requireWhole(t, want)
}

func TestFetch_stalledBody(t *testing.T) {
	release := make(chan struct{})
	var once sync.Once
	_, want := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body[:10])
		w.(http.Flusher).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer once.Do(func() { close(release) })
	f := quick()
	f.StallAfter, f.Attempts = 30*time.Millisecond, 1
	err := f.Fetch(t.Context(), want)
	var failed *fetch.Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, fetch.Stalled, failed.Kind)
}

func TestFetch_unreachable(t *testing.T) {
	s, want := serve(t, whole)
	s.Close()
	err := quick().Fetch(t.Context(), want)
	var failed *fetch.Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, fetch.Unreachable, failed.Kind)
	assert.NotContains(t, err.Error(), "geheim")
}

func TestFetch_contextEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	held := errors.New("held")
	_, want := serve(t, func(w http.ResponseWriter, r *http.Request) {
		cancel(held)
		<-r.Context().Done()
	})
	require.ErrorIs(t, quick().Fetch(ctx, want), held)
	assert.NoFileExists(t, want.Path)
}

func TestFetch_oneAtATimePerPath(t *testing.T) {
	var now, most, requests atomic.Int32
	_, want := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		whole(w, r)
	})
	f := quick()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { assert.NoError(t, f.Fetch(t.Context(), want)) })
	}
	all.Wait()
	assert.EqualValues(t, 1, most.Load())
	assert.EqualValues(t, 1, requests.Load())
	requireWhole(t, want)
}

func TestFetch_diskFull(t *testing.T) {
	_, want := serve(t, whole)
	want.Size = 1 << 60 // more than any file system has left
	err := quick().Fetch(t.Context(), want)
	var failed *fetch.Error
	require.ErrorAs(t, err, &failed)
	assert.Equal(t, fetch.DiskFull, failed.Kind)
}

// Without a digest, TLS alone vouches for what comes, all of it is taken anew, and nothing that is there already counts.
func TestFetch_withoutADigest(t *testing.T) {
	_, plain := serve(t, whole)
	plain.SHA256, plain.Size = "", 0
	err := quick().Fetch(t.Context(), plain)
	var refused *fetch.Error
	require.ErrorAs(t, err, &refused)
	assert.Equal(t, fetch.Unvouched, refused.Kind)

	ranges := 0
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			ranges++
		}
		whole(w, r)
	}))
	t.Cleanup(s.Close)
	want := fetch.File{URL: s.URL + "/scini.tar", Path: filepath.Join(t.TempDir(), "scini.tar"), Client: s.Client()}
	require.NoError(t, os.WriteFile(want.Path, []byte("of another time"), 0o600))
	require.NoError(t, os.WriteFile(want.Path+".part", []byte("half of another time"), 0o600))
	require.NoError(t, quick().Fetch(t.Context(), want))
	got, err := os.ReadFile(want.Path)
	require.NoError(t, err)
	assert.Equal(t, body, got)
	assert.Zero(t, ranges)
}

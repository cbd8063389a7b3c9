package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

var errStalled = errors.New("nothing came")

// attempt asks once for what is missing and stores what comes.
func (f *Fetcher) attempt(ctx context.Context, want File, p *partial) error {
	if want.Size > 0 && p.size == want.Size {
		return nil // all of it came before the interruption
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(f.stall(), func() { cancel(errStalled) })
	defer watch.Stop()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, want.URL, nil)
	if err != nil {
		return &Error{Kind: Refused, URL: want.URL, Detail: "not a usable URL"}
	}
	req.Header.Set("Accept-Encoding", "identity") // or Go unpacks gzip files on the way
	if p.size > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", p.size))
		if p.mark.ETag != "" {
			req.Header.Set("If-Range", p.mark.ETag)
		}
	}
	res, err := clientFor(want).Do(req)
	if err != nil {
		return f.connectionError(ctx, want, err)
	}
	defer res.Body.Close()
	if err := f.accept(want, p, res); err != nil {
		return err
	}
	return f.store(ctx, want, p, res.Body, watch)
}

// accept decides by status and headers whether the body is what was asked for, and where it goes.
func (f *Fetcher) accept(want File, p *partial, res *http.Response) error {
	fail := func(kind Kind, format string, a ...any) error {
		return &Error{Kind: kind, URL: want.URL, Detail: fmt.Sprintf(format, a...)}
	}
	switch code := res.StatusCode; {
	case code == http.StatusPartialContent:
		if start, ok := rangeStart(res.Header.Get("Content-Range")); !ok || start != p.size {
			return errors.Join(fail(ServerError, "asked for bytes from %d, got range %q", p.size, res.Header.Get("Content-Range")), p.reset())
		}
	case code == http.StatusOK:
		if err := p.reset(); err != nil {
			return f.diskError(want, err)
		}
	case code == http.StatusRequestedRangeNotSatisfiable && p.size > 0:
		return errors.Join(fail(Truncated, "the server's file ends at or before byte %d", p.size), p.reset())
	case code == http.StatusNotFound || code == http.StatusGone:
		return fail(NotFound, "%s", res.Status)
	case code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return fail(ServerError, "%s", res.Status)
	default:
		return fail(Refused, "%s", res.Status)
	}
	if media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err == nil && (media == "text/html" || media == "application/xhtml+xml") {
		return fail(HTMLPage, "a web page came instead of the file: is a login or a proxy in the way?")
	}
	total := p.size + res.ContentLength
	if want.Size > 0 && res.ContentLength >= 0 && total > want.Size {
		return fail(TooLarge, "the server has %d bytes, %d are wanted", total, want.Size)
	}
	if need := max(res.ContentLength, want.Size-p.size); !room(filepath.Dir(want.Path), need) {
		return &Error{Kind: DiskFull, URL: want.URL, Detail: fmt.Sprintf("%d bytes are needed in %s", need, filepath.Dir(want.Path))}
	}
	if err := p.begin(want.URL, res.Header.Get("ETag")); err != nil {
		return f.diskError(want, err)
	}
	return nil
}

// store copies the body, bounded by the wanted size and by progress.
func (f *Fetcher) store(ctx context.Context, want File, p *partial, body io.Reader, watch *time.Timer) error {
	limit := want.Size
	if limit <= 0 {
		limit = maxUnsized
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			watch.Reset(f.stall())
			if p.size == 0 && isHTML(buf[:n]) {
				return &Error{Kind: HTMLPage, URL: want.URL, Detail: "a web page came instead of the file: is a login or a proxy in the way?"}
			}
			if p.size+int64(n) > limit {
				return &Error{Kind: TooLarge, URL: want.URL, Detail: fmt.Sprintf("more than the wanted %d bytes came", limit)}
			}
			if _, err := p.Write(buf[:n]); err != nil {
				return f.diskError(want, err)
			}
		}
		switch {
		case err == nil:
		case !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return f.connectionError(ctx, want, err)
		case want.Size > 0 && p.size < want.Size:
			return &Error{Kind: Truncated, URL: want.URL, Detail: fmt.Sprintf("the body ended after %d of %d bytes", p.size, want.Size)}
		default:
			return nil
		}
	}
}

// isHTML looks at the first bytes: some login pages come as application/octet-stream.
func isHTML(head []byte) bool {
	head = bytes.ToLower(bytes.TrimLeft(head[:min(len(head), 64)], "\xef\xbb\xbf \t\r\n"))
	return bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html"))
}

func (f *Fetcher) connectionError(ctx context.Context, want File, err error) error {
	var insecure *Error
	var outer *url.Error
	switch {
	case errors.As(err, &insecure):
		return insecure
	case errors.Is(context.Cause(ctx), errStalled):
		return &Error{Kind: Stalled, URL: want.URL, Detail: fmt.Sprintf("nothing came for %s", f.stall())}
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET):
		return &Error{Kind: Truncated, URL: want.URL, Err: err}
	case errors.As(err, &outer):
		err = outer.Err // without the URL, which may hold a secret
	}
	return &Error{Kind: Unreachable, URL: want.URL, Err: err}
}

// rangeStart reads "bytes 5-9/10".
func rangeStart(header string) (int64, bool) {
	spec, ok := strings.CutPrefix(header, "bytes ")
	if !ok {
		return 0, false
	}
	first, _, ok := strings.Cut(spec, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	return start, ok && err == nil && start >= 0
}

var defaultClient = sync.OnceValue(func() *http.Client {
	transport, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return &http.Client{}
	}
	transport = transport.Clone()
	transport.MaxIdleConns = 2 // downloads are rare: a connection kept open costs memory
	transport.IdleConnTimeout = 10 * time.Second
	return &http.Client{Transport: transport}
})

// clientFor adds the rule that what began with TLS doesn't go on without it.
func clientFor(want File) *http.Client {
	client := defaultClient()
	if want.Client != nil {
		client = want.Client
	}
	guarded := *client
	guarded.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if via[len(via)-1].URL.Scheme == "https" && req.URL.Scheme != "https" {
			return &Error{Kind: InsecureRedirect, URL: want.URL, Detail: "redirected to " + publicURL(req.URL.String())}
		}
		if client.CheckRedirect != nil {
			return client.CheckRedirect(req, via)
		}
		if len(via) >= 10 {
			return &Error{Kind: Refused, URL: want.URL, Detail: "redirected more than 10 times"}
		}
		return nil
	}
	return &guarded
}

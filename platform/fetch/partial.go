package fetch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// partial is what has come so far, in a file beside the final one, and the validator of the version that it is of.
type partial struct {
	path string
	file *os.File
	size int64
	mark mark
}

// mark is kept in a second file: without the same validator the server sends the whole file again (If-Range).
type mark struct {
	URL  string `json:"url"`
	ETag string `json:"etag"`
}

func openPartial(want File) (*partial, error) {
	p := &partial{path: want.Path + ".part"}
	file, err := os.OpenFile(p.path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	p.file = file
	if p.size, err = file.Seek(0, io.SeekEnd); err != nil {
		file.Close()
		return nil, err
	}
	if text, err := os.ReadFile(p.markPath()); err == nil {
		_ = json.Unmarshal(text, &p.mark) // unreadable: as if there were none
	}
	if p.size > 0 && (p.mark.URL != publicURL(want.URL) || want.Size > 0 && p.size > want.Size) {
		if err := p.reset(); err != nil {
			file.Close()
			return nil, err
		}
	}
	return p, nil
}

func (p *partial) markPath() string { return p.path + ".mark" }

func (p *partial) close() { p.file.Close() }

// reset begins anew.
func (p *partial) reset() error {
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	p.size, p.mark = 0, mark{}
	return nil
}

// begin notes of which version the bytes to come are. The URL is kept without what could be a secret in it.
func (p *partial) begin(url, etag string) error {
	if strings.HasPrefix(etag, "W/") { // weak validators say nothing about bytes (RFC 9110, 13.1.5)
		etag = ""
	}
	p.mark = mark{URL: publicURL(url), ETag: etag}
	text, err := json.Marshal(p.mark)
	if err != nil {
		return err
	}
	return os.WriteFile(p.markPath(), text, 0o600)
}

func (p *partial) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.size += int64(n)
	return n, err
}

// discard removes what came.
func (p *partial) discard() error {
	return errors.Join(os.Remove(p.path), removeIfThere(p.markPath()))
}

// finish checks size and digest of all that lies in the file and only then renames it.
func (p *partial) finish(want File) error {
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("fetching %s: %w", publicURL(want.URL), err)
	}
	digest, size, err := digestOf(p.file)
	if err != nil {
		return fmt.Errorf("fetching %s: reading it back: %w", publicURL(want.URL), err)
	}
	if want.SHA256 != "" && !strings.EqualFold(digest, want.SHA256) {
		return &Error{Kind: WrongDigest, URL: want.URL, Detail: fmt.Sprintf("%d bytes with SHA-256 %s instead of %s", size, digest, want.SHA256)}
	}
	if err := p.file.Sync(); err != nil {
		return fmt.Errorf("fetching %s: %w", publicURL(want.URL), err)
	}
	if err := os.Rename(p.path, want.Path); err != nil {
		return fmt.Errorf("fetching %s: %w", publicURL(want.URL), err)
	}
	if err := removeIfThere(p.markPath()); err != nil {
		return fmt.Errorf("fetching %s: %w", publicURL(want.URL), err)
	}
	dir, err := os.Open(filepath.Dir(want.Path))
	if err != nil {
		return fmt.Errorf("fetching %s: %w", publicURL(want.URL), err)
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("fetching %s: %w", publicURL(want.URL), err)
	}
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

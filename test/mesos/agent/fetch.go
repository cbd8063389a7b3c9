package agent

//lint:file-ignore ST1005 the words are Mesos' own

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
)

// fetchTimeout bounds one artifact; Mesos gives up after a minute of stalling.
const fetchTimeout = 5 * time.Minute

var fetchClient = &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: time.Minute, DisableKeepAlives: true}}

// fetch gets a task's URIs into its sandbox. Why it failed is in the sandbox'
// stderr, as with Mesos' fetcher; the status update says only that it did.
func fetch(ctx context.Context, c *container) error {
	uris := c.task.GetCommand().GetURIs()
	if len(uris) == 0 {
		return nil
	}
	stderr, err := os.OpenFile(filepath.Join(c.run.Sandbox, "stderr"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("opening the sandbox: %w", err)
	}
	defer func() { _ = stderr.Close() }()
	log := slog.New(slog.NewTextHandler(stderr, nil))
	for _, uri := range uris {
		log.Info("fetching URI", "uri", uri.Value)
		if err := fetchURI(ctx, uri, c, log); err != nil {
			log.Error("fetching failed", "uri", uri.Value, "err", err)
			return fmt.Errorf("Failed to fetch all URIs for container '%s': exited with status 1", c.run.ContainerID)
		}
	}
	return nil
}

func fetchURI(ctx context.Context, uri v1.CommandInfo_URI, c *container, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	name, err := fileName(uri)
	if err != nil {
		return err
	}
	target := filepath.Join(c.run.Sandbox, name)
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	if err := copyTo(ctx, uri.Value, target); err != nil {
		return err
	}
	if err := chown(target, c.user()); err != nil {
		return err
	}
	if uri.GetExecutable() {
		return os.Chmod(target, 0o755)
	}
	if uri.Extract != nil && !*uri.Extract {
		return nil
	}
	switch err := extract(target, c.run.Sandbox); {
	case errors.Is(err, errNoArchive):
		log.Warn("copying instead of extracting: it does not seem to be an archive", "uri", uri.Value)
		return nil
	default:
		return err
	}
}

// fileName is output_file or the last part of the URI's path.
func fileName(uri v1.CommandInfo_URI) (string, error) {
	name := uri.GetOutputFile()
	if name == "" {
		parsed, err := url.Parse(uri.Value)
		if err != nil {
			return "", err
		}
		name = path.Base(parsed.Path)
	}
	if !filepath.IsLocal(name) || name == "." {
		return "", fmt.Errorf("no file name in the sandbox: %q", name)
	}
	return name, nil
}

func copyTo(ctx context.Context, source, target string) error {
	in, err := open(ctx, source)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(target, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

func open(ctx context.Context, source string) (io.ReadCloser, error) {
	if local, ok := strings.CutPrefix(source, "file://"); ok {
		return os.Open(local)
	}
	if !strings.Contains(source, "://") {
		return os.Open(source)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "*/*")
	response, err := fetchClient.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		_ = response.Body.Close()
		return nil, fmt.Errorf("%s answered %s", source, response.Status)
	}
	return response.Body, nil
}

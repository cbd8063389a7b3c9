package installer

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strings"

	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/platform/fetch"
	"scaleio-framework/scheduler/api"
)

// packagesFetched is the fact that every package that has yet to be installed lies here, verified.
type packagesFetched struct {
	name     string
	needed   func(ctx context.Context, p installPackage) (bool, error)
	files    Files
	download Download
	client   *http.Client
	servers  func() []string
	digests  *digests
	install  []installPackage
	binaries []api.Package
}

func fetchPackages(o *orders) step.Step {
	s := packagesFetched{name: "fetch-packages", needed: yetToInstall, files: o.sys.Files, download: o.sys.Download, client: o.opts.ArtifactClient, servers: o.opts.Servers, digests: &o.digests}
	for _, c := range o.components() {
		if p, ok := o.pick(c); ok && p.Format == formatBinary {
			s.binaries = append(s.binaries, p)
		} else if ok {
			s.install = append(s.install, newInstallPackage(o, c))
		}
	}
	return s
}

func yetToInstall(ctx context.Context, p installPackage) (bool, error) {
	finding, err := p.Check(ctx)
	return finding.Verdict == step.Needed, err
}

func (s packagesFetched) Name() string { return s.name }

func (s packagesFetched) Check(ctx context.Context) (step.Finding, error) {
	missing, err := s.missing(ctx)
	if err != nil {
		return step.Finding{}, err
	}
	if len(missing) > 0 {
		names := make([]string, len(missing))
		for i, p := range missing {
			names[i] = p.Component + " " + p.Version
		}
		return step.Need("NotFetched", "to fetch: %s", strings.Join(names, ", ")), nil
	}
	return step.OK("all packages are installed or here"), nil
}

func (s packagesFetched) missing(ctx context.Context) ([]api.Package, error) {
	var missing []api.Package
	add := func(p api.Package) error {
		sum, _, err := s.files.Digest(PackageFile(p))
		if err != nil && !errors.Is(err, platform.ErrNotFound) {
			return err
		}
		if !strings.EqualFold(sum, p.SHA256) {
			missing = append(missing, p)
		}
		return nil
	}
	for _, i := range s.install {
		needed, err := s.needed(ctx, i)
		if err != nil {
			return nil, err
		}
		if needed {
			if err := add(i.wanted); err != nil {
				return nil, err
			}
		}
	}
	for _, p := range s.binaries {
		there, err := s.digests.is(binaryPath(p.Component), p.SHA256)
		if err != nil {
			return nil, err
		}
		if !there {
			if err := add(p); err != nil {
				return nil, err
			}
		}
	}
	return missing, nil
}

func (s packagesFetched) Apply(ctx context.Context) error {
	missing, err := s.missing(ctx)
	if err != nil {
		return err
	}
	for _, p := range missing {
		if err := s.fetch(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// fetch one package. A URL without a host is on whichever scheduler answers.
func (s packagesFetched) fetch(ctx context.Context, p api.Package) error {
	file := PackageFile(p)
	if err := s.files.MkdirAll(path.Dir(file), 0o700); err != nil {
		return err
	}
	want := fetch.File{URL: p.URL, Path: file, Size: p.Size, SHA256: p.SHA256}
	if !strings.HasPrefix(p.URL, "/") {
		return s.one(ctx, p, want)
	}
	failed := []error{fmt.Errorf("fetching %s %s: no scheduler gave it", p.Component, p.Version)}
	for _, server := range s.servers() {
		want.URL, want.Client = strings.TrimSuffix(server, "/")+p.URL, s.client
		err := s.one(ctx, p, want)
		if err == nil || ctx.Err() != nil {
			return err
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

func (s packagesFetched) one(ctx context.Context, p api.Package, want fetch.File) error {
	if err := s.download.Fetch(ctx, want); err != nil {
		return fmt.Errorf("fetching %s %s: %w", p.Component, p.Version, err)
	}
	return nil
}

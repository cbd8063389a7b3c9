package scheduler

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"scaleio-framework/scheduler/api"
)

var (
	components    = []string{"mdm", "sds", "sdc", "lia", "gateway", "rexray", "dvdcli"}
	formats       = []string{"deb", "siob-tar", "rpm", "binary"}
	digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ReadManifest reads which packages there are, and checks those that lie on this side. Relative files are relative to the manifest.
func ReadManifest(path string) (packages []api.Package, artifacts map[string]string, err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the manifest: %w", err)
	}
	var manifest struct {
		Version  string        `json:"version"`
		Packages []api.Package `json:"packages"`
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return nil, nil, fmt.Errorf("reading the manifest %s: %w", path, err)
	}
	artifacts = map[string]string{}
	var faults []error
	if len(manifest.Packages) == 0 {
		faults = append(faults, errors.New("it names no packages"))
	}
	for i, p := range manifest.Packages {
		if p.Version == "" {
			p.Version = manifest.Version
			manifest.Packages[i] = p
		}
		if err := checkPackage(p); err != nil {
			faults = append(faults, fmt.Errorf("package %d (%s): %w", i, p.Component, err))
			continue
		}
		if p.File != "" {
			file := p.File
			if !filepath.IsAbs(file) {
				file = filepath.Join(filepath.Dir(path), file)
			}
			if err := verify(file, p); err != nil {
				faults = append(faults, fmt.Errorf("package %d (%s): %w", i, p.Component, err))
			}
			artifacts[p.SHA256] = file
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, nil, fmt.Errorf("checking the manifest %s: %w", path, err)
	}
	return manifest.Packages, artifacts, nil
}

func checkPackage(p api.Package) error {
	var faults []error
	check := func(ok bool, format string, a ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, a...))
		}
	}
	check(slices.Contains(components, p.Component), "component %q is none of %v", p.Component, components)
	check(slices.Contains(formats, p.Format), "format %q is none of %v", p.Format, formats)
	check(p.Version != "", "it has no version")
	check(digestPattern.MatchString(p.SHA256), "sha256 %q isn't 64 hexadecimal digits", p.SHA256)
	check(p.Size > 0, "its size isn't given")
	check((p.URL == "") != (p.File == ""), "it needs either url or file")
	if p.URL != "" {
		u, err := url.Parse(p.URL)
		check(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"), "its url is none of http or https") // not shown: there may be a password in it
	}
	return errors.Join(faults...)
}

// verify a file at start: a wrong one would fail on every node.
func verify(path string, p api.Package) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening the package: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, file)
	if err != nil {
		return fmt.Errorf("reading the package: %w", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); n != p.Size || got != p.SHA256 {
		return fmt.Errorf("%s has %d bytes and digest %s, the manifest says %d and %s", path, n, got, p.Size, p.SHA256)
	}
	return nil
}

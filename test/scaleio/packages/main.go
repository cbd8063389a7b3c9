package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"scaleio-framework/test/rpmbuild"
)

// firstVersion is what a cluster begins with; a test of upgrades builds another.
const firstVersion = "3.6-700.103"

// The manifest's schema is the scheduler's: one entry per file to fetch.
type manifest struct {
	Version  string  `json:"version"`
	Packages []entry `json:"packages"`
}

type entry struct {
	Component  string `json:"component"`
	Version    string `json:"version"`
	OS         string `json:"os"`
	Format     string `json:"format"`
	URL        string `json:"url"`
	Size       int64  `json:"size"`
	SHA256     string `json:"sha256"`
	SigningKey string `json:"signingKey,omitempty"`
}

func main() {
	out := flag.String("out", "build/mirror", "directory of the packages and the manifest")
	binary := flag.String("binary", "build/dev-scaleio", "the multi-call binary that goes into all of them")
	url := flag.String("url", "", "where the directory will be served")
	version := flag.String("version", firstVersion, "of the product")
	flag.Parse()
	if err := build(context.Background(), *version, *out, *binary, *url); err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		os.Exit(1)
	}
}

func build(ctx context.Context, version, out, binary, url string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("making %s: %w", out, err)
	}
	m := manifest{Version: version}
	for _, c := range components {
		p := deb{c, version}
		file := filepath.Join(out, p.fileName())
		err := p.build(file, binary)
		if err != nil {
			return fmt.Errorf("building %s: %w", file, err)
		}
		format := "deb"
		if c.siob {
			if file, err = wrapSiob(file); err != nil {
				return err
			}
			format = "siob-tar"
		}
		m.Packages = append(m.Packages, entry{Component: c.name, Version: p.full(), OS: "ubuntu22.04", Format: format, URL: url + "/" + filepath.Base(file)})
	}
	rpms, err := buildRPMs(ctx, version, out, binary, url)
	if err != nil {
		return err
	}
	m.Packages = append(m.Packages, rpms...)
	// REX-Ray and dvdcli come as bare binaries, as their projects published them.
	for _, b := range []struct{ component, version string }{{"rexray", "0.11.4"}, {"dvdcli", "0.2.1"}} {
		name := b.component + "-Linux-x86_64-" + b.version
		if err := copyFile(filepath.Join(out, name), binary, 0o755); err != nil {
			return err
		}
		m.Packages = append(m.Packages, entry{Component: b.component, Version: b.version, OS: "any", Format: "binary", URL: url + "/" + name})
	}
	for i := range m.Packages {
		e := &m.Packages[i]
		var err error
		if e.Size, e.SHA256, err = digest(filepath.Join(out, filepath.Base(e.URL))); err != nil {
			return err
		}
	}
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the manifest: %w", err)
	}
	return os.WriteFile(filepath.Join(out, "manifest.json"), append(raw, '\n'), 0o644)
}

// buildRPMs makes the packages for Enterprise Linux, signed with a key that is forgotten afterwards; its public half is beside them, as the vendor has it.
func buildRPMs(ctx context.Context, version, out, binary, url string) ([]entry, error) {
	key, err := rpmbuild.NewKey(ctx, "stand-in for ScaleIO")
	if err != nil {
		return nil, err
	}
	defer key.Close()
	public, err := key.Public(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(out, "RPM-GPG-KEY-ScaleIO"), public, 0o644); err != nil {
		return nil, fmt.Errorf("writing the key: %w", err)
	}
	var entries []entry
	for _, c := range components {
		p := rpm{c, version}
		file, err := p.build(ctx, out, binary, key)
		if err != nil {
			return nil, fmt.Errorf("building the rpm of %s: %w", c.name, err)
		}
		e := entry{Component: c.name, Version: p.full(), OS: "el9", Format: "rpm", URL: url + "/" + filepath.Base(file), SigningKey: string(public)}
		entries = append(entries, e)
		if c.tagged { // Flatcar takes the same files, but is no place for a gateway
			e.OS = "flatcar"
			entries = append(entries, e)
		}
	}
	return entries, nil
}

func digest(name string) (int64, string, error) {
	file, err := os.Open(name)
	if err != nil {
		return 0, "", fmt.Errorf("reading %s: %w", name, err)
	}
	defer file.Close()
	hash := sha256.New()
	size, err := io.Copy(hash, file)
	if err != nil {
		return 0, "", fmt.Errorf("reading %s: %w", name, err)
	}
	return size, hex.EncodeToString(hash.Sum(nil)), nil
}

func copyFile(to, from string, mode os.FileMode) error {
	source, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return fmt.Errorf("copying to %s: %w", to, err)
	}
	if _, err := io.Copy(target, source); err != nil {
		_ = target.Close()
		return fmt.Errorf("copying %s to %s: %w", from, to, err)
	}
	return target.Close()
}

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

const version = "3.6-700.103"

// The manifest's schema is the scheduler's: one entry per file to fetch.
type manifest struct {
	Version  string  `json:"version"`
	Packages []entry `json:"packages"`
}

type entry struct {
	Component string `json:"component"`
	Version   string `json:"version"`
	OS        string `json:"os"`
	Format    string `json:"format"`
	URL       string `json:"url"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
}

func main() {
	out := flag.String("out", "build/mirror", "directory of the packages and the manifest")
	binary := flag.String("binary", "build/dev-scaleio", "the multi-call binary that goes into all of them")
	url := flag.String("url", "", "where the directory will be served")
	flag.Parse()
	if err := build(*out, *binary, *url); err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		os.Exit(1)
	}
}

func build(out, binary, url string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("making %s: %w", out, err)
	}
	m := manifest{Version: version}
	for _, p := range debs {
		file := filepath.Join(out, p.fileName())
		if err := p.build(file, binary); err != nil {
			return fmt.Errorf("building %s: %w", file, err)
		}
		m.Packages = append(m.Packages, entry{Component: p.component, Version: p.version(), Format: "deb", URL: url + "/" + p.fileName()})
	}
	// REX-Ray and dvdcli come as bare binaries, as their projects published them.
	for _, b := range []struct{ component, version string }{{"rexray", "0.11.4"}, {"dvdcli", "0.2.1"}} {
		name := b.component + "-Linux-x86_64-" + b.version
		if err := copyFile(filepath.Join(out, name), binary, 0o755); err != nil {
			return err
		}
		m.Packages = append(m.Packages, entry{Component: b.component, Version: b.version, Format: "binary", URL: url + "/" + name})
	}
	for i := range m.Packages {
		e := &m.Packages[i]
		e.OS = "ubuntu22.04"
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

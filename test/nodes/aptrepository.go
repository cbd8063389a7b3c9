package nodes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// buildAPT makes apt's files by hand: what dpkg-scanpackages and
// apt-ftparchive would write is little, and they are not on every host. The
// signing key lives as long as this function; its public half goes to keyring.
func (r recipe) buildAPT(ctx context.Context, dir, keyring string) error {
	for _, name := range slices.Sorted(maps.Keys(r.Empty)) {
		if err := buildDummy(ctx, filepath.Join(dir, "pool"), name, r.Empty[name]); err != nil {
			return fmt.Errorf("making the stand-in package %s: %w", name, err)
		}
	}
	packages, err := packageIndex(ctx, dir)
	if err != nil {
		return fmt.Errorf("making the package index: %w", err)
	}
	dist := filepath.Join(dir, "dists/jammy")
	index := "main/binary-amd64/Packages"
	if err := os.MkdirAll(filepath.Dir(filepath.Join(dist, index)), 0o755); err != nil {
		return fmt.Errorf("making the repository: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dist, index), packages, 0o644); err != nil {
		return fmt.Errorf("making the repository: %w", err)
	}
	release := fmt.Sprintf(`Origin: nodes
Label: nodes
Suite: jammy
Codename: jammy
Date: %s
Architectures: amd64
Components: main
Description: packages of Debian 12 and stand-ins, for nodes without any other network
SHA256:
 %x %d %s
`, time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC"), sha256.Sum256(packages), len(packages), index)
	return sign(ctx, release, filepath.Join(dist, "InRelease"), keyring)
}

func packageIndex(ctx context.Context, dir string) ([]byte, error) {
	debs, err := filepath.Glob(filepath.Join(dir, "pool/*.deb"))
	if err != nil {
		return nil, fmt.Errorf("listing packages: %w", err)
	}
	var index strings.Builder
	for _, deb := range debs {
		control, err := output(ctx, "dpkg-deb", "--field", deb)
		if err != nil {
			return nil, err
		}
		data, err := os.ReadFile(deb)
		if err != nil {
			return nil, fmt.Errorf("reading a package: %w", err)
		}
		sum := sha256.Sum256(data)
		fmt.Fprintf(&index, "%s\nFilename: pool/%s\nSize: %d\nSHA256: %s\n\n",
			strings.TrimSpace(control), filepath.Base(deb), len(data), hex.EncodeToString(sum[:]))
	}
	return []byte(index.String()), nil
}

func sign(ctx context.Context, release, signed, keyring string) error {
	home, err := os.MkdirTemp("", "node-mirror-")
	if err != nil {
		return fmt.Errorf("signing the repository: %w", err)
	}
	defer os.RemoveAll(home)
	gpg := []string{"gpg", "--homedir", home, "--batch", "--quiet", "--yes", "--passphrase", "", "--pinentry-mode", "loopback"}
	defer func() { _, _ = output(ctx, "gpgconf", "--homedir", home, "--kill", "gpg-agent") }()
	for _, args := range [][]string{
		{"--quick-generate-key", "packages of the nodes", "ed25519", "sign", "never"},
		{"--output", keyring, "--export"},
	} {
		if _, err := output(ctx, append(slices.Clone(gpg), args...)...); err != nil {
			return err
		}
	}
	_, err = outputFrom(ctx, strings.NewReader(release), append(slices.Clone(gpg), "--output", signed, "--clearsign")...)
	if err != nil {
		return err
	}
	return os.Chmod(keyring, 0o644)
}

// buildDummy makes a package that has a prerequisite's name and nothing in it.
func buildDummy(ctx context.Context, pool, name, version string) error {
	work, err := os.MkdirTemp("", "node-dummy-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer os.RemoveAll(work)
	control := fmt.Sprintf(`Package: %s
Version: %s
Architecture: amd64
Maintainer: nodes <nodes@localhost>
Section: misc
Priority: optional
Description: stand-in, empty: Debian 12 has no package of this name
`, name, version)
	for path, text := range map[string]string{
		"DEBIAN/control":                    control,
		"usr/share/doc/" + name + "/README": "This package is an empty stand-in for tests. Nothing runs from it.\n",
	} {
		file := filepath.Join(work, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
	}
	if err := os.Chmod(work, 0o755); err != nil {
		return fmt.Errorf("making a package: %w", err)
	}
	_, err = output(ctx, "dpkg-deb", "--root-owner-group", "-Zgzip", "--build", work,
		filepath.Join(pool, fmt.Sprintf("%s_%s_amd64.deb", name, version)))
	return err
}

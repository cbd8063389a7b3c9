package installer

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
	"time"

	"scaleio-framework/installer/scaleio"
	"scaleio-framework/platform"
	"scaleio-framework/platform/pkgmgr"
	"scaleio-framework/scheduler/api"
)

// Formats of the manifest.
const (
	formatDeb    = "deb"
	formatSiob   = "siob-tar" // a tar whose .siob gives the deb, see siob.go
	formatRPM    = "rpm"
	formatBinary = "binary"
)

// formats tells which ones a family's machines take.
func formats(family platform.Family) func(format string) bool {
	return func(format string) bool {
		switch format {
		case formatBinary:
			return true
		case formatDeb, formatSiob:
			return family == platform.FamilyDeb
		case formatRPM:
			return family == platform.FamilyRPM || family == platform.FamilyFlatcar
		}
		return false
	}
}

// PackageFile is where a package lies once it was fetched and verified. The name is ours: a URL's tail may be anything.
func PackageFile(p api.Package) string {
	name := p.Component
	switch p.Format {
	case formatDeb:
		name = scaleio.DebName(p.Component) + "_" + plainVersion(p.Version) + ".deb"
	case formatSiob:
		name = scaleio.DebName(p.Component) + "_" + plainVersion(p.Version) + ".tar"
	case formatRPM:
		name = scaleio.RPMName(p.Component) + "-" + plainVersion(p.Version) + ".rpm"
	}
	return path.Join(packageDir, strings.ToLower(p.SHA256), name)
}

func plainVersion(v string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune(".+~-", r) {
			return r
		}
		return '_'
	}, v)
}

// checkedFile reads a file's digest anew: the last look before root runs what is in it.
func checkedFile(files Files, p api.Package) (string, error) {
	file := PackageFile(p)
	sum, size, err := files.Digest(file)
	if err != nil {
		return "", fmt.Errorf("verifying package %s %s: %w", p.Component, p.Version, err)
	}
	if !strings.EqualFold(sum, p.SHA256) {
		removed := files.Remove(file)
		return "", errors.Join(fmt.Errorf("verifying package %s %s: %s has %d bytes with sha256 %s, not %s: it is thrown away and fetched again",
			p.Component, p.Version, file, size, sum, p.SHA256), removed)
	}
	return file, nil
}

// putSigningKey lays the key that a package must be signed with beside it, where the package tools look for it.
func putSigningKey(files Files, file string, p api.Package) error {
	if p.SigningKey == "" {
		return files.Remove(file + pkgmgr.KeySuffix)
	}
	return files.Write(file+pkgmgr.KeySuffix, []byte(p.SigningKey), 0o600)
}

func sha256hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// digests remembers what big files hold, so that a look every minute doesn't read them every minute. A file of another size is read at once.
type digests struct {
	files Files
	now   func() time.Time
	mu    sync.Mutex
	seen  map[string]digest
}

type digest struct {
	sum  string
	size int64
	at   time.Time
}

// digestTTL is how late a change that keeps the size may be noticed.
const digestTTL = 10 * time.Minute

// is tells whether the file is there and has this digest.
func (d *digests) is(file, sum string) (bool, error) {
	_, size, err := d.files.Stat(file)
	if errors.Is(err, platform.ErrNotFound) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	d.mu.Lock()
	seen, ok := d.seen[file]
	d.mu.Unlock()
	if !ok || seen.size != size || d.now().Sub(seen.at) > digestTTL || !strings.EqualFold(seen.sum, sum) {
		seen.sum, seen.size, err = d.files.Digest(file)
		if err != nil {
			return false, err
		}
		seen.at = d.now()
		d.mu.Lock()
		if d.seen == nil {
			d.seen = map[string]digest{}
		}
		d.seen[file] = seen
		d.mu.Unlock()
	}
	return strings.EqualFold(seen.sum, sum), nil
}

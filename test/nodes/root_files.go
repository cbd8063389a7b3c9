package nodes

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Trim what no test needs from a root that debootstrap made, and what these patterns name too.
func Trim(root string, more ...string) error {
	patterns := append([]string{"var/cache/apt/archives/*.deb", "var/lib/apt/lists/*", "usr/share/doc/*",
		"usr/share/man/*", "usr/share/locale/*", "etc/resolv.conf"}, more...)
	for _, pattern := range patterns {
		matches, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, match := range matches {
			if err := os.RemoveAll(match); err != nil {
				return fmt.Errorf("trimming the root: %w", err)
			}
		}
	}
	return nil
}

// WriteFiles and links into a root, over what is there.
func WriteFiles(root string, files, links map[string]string) error {
	for path, text := range files {
		file := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
	}
	for path, target := range links {
		link := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return fmt.Errorf("linking %s: %w", path, err)
		}
		if err := os.Remove(link); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("linking %s: %w", path, err)
		}
		if err := os.Symlink(target, link); err != nil {
			return fmt.Errorf("linking %s: %w", path, err)
		}
	}
	return os.MkdirAll(filepath.Join(root, "var/log/journal"), 0o755|fs.ModeSetgid)
}

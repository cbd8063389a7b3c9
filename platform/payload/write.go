package payload

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"scaleio-framework/platform/pkgmgr"
)

// write the plan; each file appears whole or not at all. next gets an entry for each.
func (p *Packages) write(ctx context.Context, root tree, src *source, plan []placed, next *record, old record) error {
	byName := map[string]placed{}
	for _, pl := range plan {
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case pl.kind == kindDir:
			if err := root.makeDir(pl.path, pl.mode); err != nil {
				return err
			}
			next.put(entry{Path: pl.path, Kind: kindDir, Found: pl.found})
		case pl.kind == kindLink:
			if err := root.replace(pl.path, func(temp string) error { return root.Symlink(pl.target, temp) }); err != nil {
				return err
			}
			next.put(entry{Path: pl.path, Kind: kindLink, Target: pl.target})
		case pl.packed == "":
			e, err := root.writeFile([]placed{pl}, bytes.NewReader(pl.content))
			if err != nil {
				return err
			}
			next.put(e[0])
		default:
			byName[pl.packed] = pl
		}
	}
	err := src.contents(func(names []string, content io.Reader) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var group []placed
		for _, name := range names {
			if pl, ok := byName[name]; ok {
				group = append(group, pl)
				delete(byName, name)
			}
		}
		return p.writePacked(root, group, content, next, old)
	})
	if err != nil {
		return err
	}
	for name := range byName {
		return notAPackage("its list names %s, its content has no such file", name)
	}
	next.keepFolders(old)
	return root.sync(next.Files)
}

// writePacked writes one content, under all the names that it has.
func (p *Packages) writePacked(root tree, group []placed, content io.Reader, next *record, old record) error {
	if len(group) == 0 {
		return nil
	}
	if config := group[len(group)-1]; config.kind == kindConfig {
		before, _ := old.find(config.path)
		if changed, err := root.changed(config.path, before.SHA256); err != nil {
			return err
		} else if changed {
			next.put(entry{Path: config.path, Kind: kindConfig, SHA256: before.SHA256, Found: config.found})
			return nil
		}
	}
	written, err := root.writeFile(group, content)
	if err != nil {
		return err
	}
	for _, e := range written {
		next.put(e)
	}
	return nil
}

// changed tells whether a file is there with another content than this package gave it: a person's.
func (t tree) changed(name, sum string) (bool, error) {
	now, _, err := t.digest(name)
	if absent(err) {
		return false, nil
	}
	return err == nil && now != sum, err
}

func (t tree) digest(name string) (sum string, size int64, err error) {
	f, err := t.Open(inside(name))
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	hash := sha256.New()
	if size, err = io.Copy(hash, f); err != nil {
		return "", 0, fmt.Errorf("reading %s: %w", name, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), size, nil
}

// writeFile writes one content; further names of it become hard links.
func (t tree) writeFile(names []placed, content io.Reader) ([]entry, error) {
	first := names[0]
	hash := sha256.New()
	var size int64
	err := t.replace(first.path, func(temp string) error {
		f, err := t.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		if size, err = io.Copy(io.MultiWriter(f, hash), io.LimitReader(content, maxFileSize+1)); err != nil {
			return err
		}
		if err := f.Chmod(first.mode); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		return f.Close()
	})
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", first.path, err)
	}
	sum := hex.EncodeToString(hash.Sum(nil))
	want := names[len(names)-1]
	if want.packed != "" && (size != want.size || want.digest != "" && want.digest != sum) {
		return nil, &pkgmgr.Error{Kind: pkgmgr.Damaged, Detail: fmt.Sprintf("%s has %d bytes with sha256 %s, its list says %d and %s", want.packed, size, sum, want.size, want.digest)}
	}
	var written []entry
	for i, pl := range names {
		if i > 0 {
			if err := t.replace(pl.path, func(temp string) error { return t.Link(inside(first.path), temp) }); err != nil {
				return nil, fmt.Errorf("writing %s: %w", pl.path, err)
			}
		}
		written = append(written, entry{Path: pl.path, Kind: pl.kind, Mode: first.mode, Size: size, SHA256: sum})
	}
	return written, nil
}

package payload

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"scaleio-framework/platform/pkgmgr"
)

// others is what the other packages brought. rpm lets two packages bring the same file, and keeps it until the last of them goes.
func (p *Packages) others(name string) (all record, err error) {
	names, err := p.names()
	if err != nil {
		return all, err
	}
	for _, other := range names {
		if other == name {
			continue
		}
		r, err := p.load(other)
		if err != nil {
			return all, err
		}
		all.Files = append(all.Files, r.Files...)
	}
	return all, nil
}

// respect what is there and isn't the package's: a file is never replaced, and none of the system's hidden by an extension, unless it is the package's own to the
// byte. So whatever a record names may be taken away again, but for what is marked: folders and configuration that others had there before.
func (t tree) respect(plan []placed, old, others record) error {
	var foreign []string
	for i := range plan {
		pl := &plan[i]
		known, mine := old.find(pl.path)
		if !mine {
			known, mine = others.find(pl.path)
			mine = mine && pl.kind == kindDir
		}
		if mine {
			pl.found = known.Found
			continue
		}
		for _, place := range []string{pl.path, merged(entry{Path: pl.path, Kind: pl.kind})} {
			if place == "" || !t.there(place) {
				continue
			}
			same, err := t.same(place, *pl)
			switch {
			case err != nil:
				return fmt.Errorf("looking at what is there before %s: %w", pl.path, err)
			case pl.kind == kindDir && same, pl.kind == kindConfig && !same && place == pl.path:
				pl.found = true
			case !same:
				foreign = append(foreign, place)
			}
		}
	}
	if len(foreign) == 0 {
		return nil
	}
	more := ""
	if n := len(foreign) - 1; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return &pkgmgr.Error{Kind: pkgmgr.Conflict, Detail: fmt.Sprintf("%s%s: it is there and isn't this package's, and a file of others is never replaced: move it away, or delete it if it is left of an earlier installation",
		foreign[0], more)}
}

func (t tree) there(name string) bool {
	_, err := t.Lstat(inside(name))
	return err == nil
}

// same tells whether what is there is what would be put there.
func (t tree) same(name string, pl placed) (bool, error) {
	if pl.kind == kindDir {
		info, err := t.Stat(inside(name))
		return err == nil && info.IsDir(), nil
	}
	info, err := t.Lstat(inside(name))
	if err != nil {
		return false, err
	}
	if pl.kind == kindLink {
		target, err := t.Readlink(inside(name))
		return err == nil && target == pl.target, nil
	}
	want := pl.digest
	if pl.packed == "" {
		sum := sha256.Sum256(pl.content)
		want = hex.EncodeToString(sum[:])
	}
	if info.Mode()&os.ModeType != 0 || want == "" {
		return false, nil
	}
	have, _, err := t.digest(name)
	return have == want, err
}

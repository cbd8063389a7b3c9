package payload

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"syscall"
)

// seenFile is a file as its content was read last. No write leaves the time of change of the inode as it was, so that reading once is enough.
type seenFile struct {
	dev, ino uint64
	ctime    syscall.Timespec
	size     int64
	sum      string
}

// look compares a record with the machine and says the first thing that isn't as it was written; "" = all is.
func (p *Packages) look(ctx context.Context, r record) (fault string, err error) {
	root, err := p.openRoot()
	if err != nil {
		return "", err
	}
	defer root.close()
	for _, e := range r.Files {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if fault, err := p.lookAt(root, e); err != nil || fault != "" {
			return fault, err
		}
	}
	for _, unit := range r.Units {
		if _, err := root.Lstat(inside(unitDir + "/" + unit)); absent(err) {
			return fmt.Sprintf("%s/%s is missing", unitDir, unit), nil
		}
	}
	if fault := p.unmerged(r.Files); fault != "" {
		return fault, nil
	}
	// Libraries are the system's, which changes by a reboot alone, or the package's own, which were looked at above.
	if p.linked[r.Name] == r.SHA256 {
		return "", nil
	}
	if fault, err = p.libraries(r.Files); fault == "" && err == nil {
		p.linked[r.Name] = r.SHA256
	}
	return fault, err
}

func (p *Packages) lookAt(root tree, e entry) (fault string, err error) {
	info, err := root.Lstat(inside(e.Path))
	if absent(err) {
		return e.Path + " is missing", nil
	} else if err != nil {
		return "", err
	}
	switch {
	case e.Kind == kindDir && !info.IsDir() && info.Mode()&fs.ModeSymlink == 0:
		return e.Path + " isn't a folder any more", nil
	case e.Kind == kindLink:
		if target, err := root.Readlink(inside(e.Path)); err != nil || target != e.Target {
			return fmt.Sprintf("%s isn't the link to %s any more", e.Path, e.Target), nil
		}
	case e.Kind == kindFile:
		return p.lookAtFile(root, e, info)
	}
	return "", nil
}

func (p *Packages) lookAtFile(root tree, e entry, info fs.FileInfo) (fault string, err error) {
	switch {
	case info.Mode()&fs.ModeSymlink != 0 && masked(root, path.Base(e.Path)):
		return "", nil // a person masked the unit; that is theirs to end
	case !info.Mode().IsRegular():
		return e.Path + " isn't a file any more", nil
	case info.Mode().Perm() != e.Mode:
		return fmt.Sprintf("%s has mode %o, not %o", e.Path, info.Mode().Perm(), e.Mode), nil
	case info.Size() != e.Size:
		return fmt.Sprintf("%s has %d bytes, not %d", e.Path, info.Size(), e.Size), nil
	}
	st, _ := info.Sys().(*syscall.Stat_t)
	now := seenFile{dev: st.Dev, ino: st.Ino, ctime: st.Ctim, size: st.Size}
	seen := p.seen[e.Path]
	now.sum = seen.sum
	if now != seen || seen.sum == "" {
		if now.sum, _, err = root.digest(e.Path); err != nil {
			return "", err
		}
		p.seen[e.Path] = now
	}
	if now.sum != e.SHA256 {
		return e.Path + " has another content", nil
	}
	return "", nil
}

package archive

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"scaleio-framework/platform"
)

// What an archive of the vendor's may hold at most. The biggest package known, the gateway's, has some 300 MB, and three files beside it.
const (
	maxEntries = 64
	maxBytes   = 2 << 30
)

// Tars of a machine.
type Tars struct {
	Root platform.Root

	maxBytes int64 // 0 = maxBytes
}

// Unpack a tar into a folder that must not exist, readable and executable by root alone. What it unpacked of a bad one it takes away again.
func (t Tars) Unpack(ctx context.Context, archive, dir string) (files []string, err error) {
	defer func() {
		if err != nil {
			files, err = nil, errors.Join(fmt.Errorf("unpacking %s: %w", archive, err), t.RemoveAll(dir))
		}
	}()
	from, err := os.Open(t.Root.Path(archive))
	if err != nil {
		return nil, err
	}
	defer from.Close()
	if err := os.Mkdir(t.Root.Path(dir), 0o700); err != nil {
		return nil, err
	}
	into, err := os.OpenRoot(t.Root.Path(dir)) // follows nothing out of the folder
	if err != nil {
		return nil, err
	}
	defer into.Close()
	left := t.maxBytes
	if left == 0 {
		left = maxBytes
	}
	content := tar.NewReader(from)
	for entries := 0; ; entries++ {
		header, err := content.Next()
		switch {
		case errors.Is(err, io.EOF) && entries > 0:
			return files, nil
		case errors.Is(err, io.EOF):
			return nil, errors.New("there is nothing in it: it isn't a tar")
		case err != nil:
			return nil, err
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case entries == maxEntries:
			return nil, fmt.Errorf("it has more than %d entries", maxEntries)
		}
		name := path.Clean(header.Name)
		if !filepath.IsLocal(name) {
			return nil, fmt.Errorf("%q leads out of the folder", header.Name)
		}
		switch header.Typeflag {
		case tar.TypeDir:
			err = into.MkdirAll(name, 0o700)
		case tar.TypeReg:
			err = put(into, name, content, &left)
			files = append(files, path.Join(dir, name))
		case tar.TypeXGlobalHeader: // only says things of others
		default:
			err = fmt.Errorf("%q is neither a file nor a folder (type %q)", header.Name, header.Typeflag)
		}
		if err != nil {
			return nil, err
		}
	}
}

// put one file; the bytes that were written count, not what its header promises.
func put(into *os.Root, name string, content io.Reader, left *int64) error {
	if err := into.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	file, err := into.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	n, err := io.Copy(file, io.LimitReader(content, *left+1))
	if *left -= n; err == nil && *left < 0 {
		err = errors.New("it is bigger than any package of the vendor")
	}
	return errors.Join(err, file.Close())
}

// RemoveAll of a folder.
func (t Tars) RemoveAll(dir string) error {
	if err := os.RemoveAll(t.Root.Path(dir)); err != nil {
		return fmt.Errorf("removing %s: %w", dir, err)
	}
	return nil
}

package agent

import (
	"archive/tar"
	"archive/zip"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

var errNoArchive = errors.New("not an archive")

// extract unpacks what Mesos' fetcher unpacks, by name: .tar, .tar.gz, .tgz,
// .tar.bz2, .tbz2, .gz, .zip. The archive itself stays.
func extract(archive, dir string) error {
	name := filepath.Base(archive)
	hasSuffix := func(suffixes ...string) bool {
		for _, each := range suffixes {
			if strings.HasSuffix(name, each) {
				return true
			}
		}
		return false
	}
	if hasSuffix(".zip") {
		return unzip(archive, dir)
	}
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	switch {
	case hasSuffix(".tar"):
		return untar(f, dir)
	case hasSuffix(".tar.bz2", ".tbz2"):
		return untar(bzip2.NewReader(f), dir)
	case hasSuffix(".tar.gz", ".tgz", ".gz"):
		unpacked, err := gzip.NewReader(f)
		if err != nil {
			return fmt.Errorf("extracting %s: %w", name, err)
		}
		if hasSuffix(".tar.gz", ".tgz") {
			return untar(unpacked, dir)
		}
		return write(filepath.Join(dir, strings.TrimSuffix(name, ".gz")), unpacked, 0o644)
	default:
		return errNoArchive
	}
}

func untar(in io.Reader, dir string) error {
	archive := tar.NewReader(in)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("extracting a tar archive: %w", err)
		}
		if !filepath.IsLocal(header.Name) {
			return fmt.Errorf("extracting %q: outside of the sandbox", header.Name)
		}
		target := filepath.Join(dir, header.Name)
		switch header.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(target, 0o755)
		case tar.TypeReg:
			err = write(target, archive, header.FileInfo().Mode().Perm())
		case tar.TypeSymlink:
			err = os.Symlink(header.Linkname, target)
		}
		if err != nil {
			return fmt.Errorf("extracting %q: %w", header.Name, err)
		}
	}
}

func unzip(path, dir string) error {
	archive, err := zip.OpenReader(path)
	if err != nil {
		return fmt.Errorf("extracting %s: %w", filepath.Base(path), err)
	}
	defer func() { _ = archive.Close() }()
	for _, file := range archive.File {
		if !filepath.IsLocal(file.Name) {
			return fmt.Errorf("extracting %q: outside of the sandbox", file.Name)
		}
		target := filepath.Join(dir, file.Name)
		if file.FileInfo().IsDir() {
			if err := os.MkdirAll(target, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := unzipFile(file, target); err != nil {
			return fmt.Errorf("extracting %q: %w", file.Name, err)
		}
	}
	return nil
}

func unzipFile(file *zip.File, target string) error {
	in, err := file.Open()
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	return write(target, in, file.Mode().Perm())
}

func write(target string, in io.Reader, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(target, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

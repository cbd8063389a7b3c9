package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// wrapSiob puts a .deb into a tar as the vendor delivers packages for Ubuntu: NAME.siob, NAME.siob.sig and the program that makes the .deb of them.
func wrapSiob(deb string) (file string, err error) {
	content, err := os.ReadFile(deb)
	if err != nil {
		return "", fmt.Errorf("wrapping %s: %w", deb, err)
	}
	program, err := files.ReadFile("files/siob/siob_extract")
	if err != nil {
		return "", fmt.Errorf("wrapping %s: %w", deb, err)
	}
	siob := append([]byte("stand-in for a siob\n"), content...)
	sum := sha256.Sum256(siob)
	name := strings.TrimSuffix(filepath.Base(deb), ".deb")
	file = strings.TrimSuffix(deb, ".deb") + ".tar"
	out, err := os.Create(file)
	if err != nil {
		return "", fmt.Errorf("wrapping %s: %w", deb, err)
	}
	archive := tar.NewWriter(out)
	for _, part := range []struct {
		name string
		mode int64
		data []byte
	}{
		{name + ".siob", 0o644, siob},
		{name + ".siob.sig", 0o644, []byte(hex.EncodeToString(sum[:]) + "\n")},
		{"siob_extract", 0o755, program},
	} {
		header := tar.Header{Typeflag: tar.TypeReg, Name: part.name, Mode: part.mode, Size: int64(len(part.data)), ModTime: time.Unix(1700000000, 0)}
		if err == nil {
			err = archive.WriteHeader(&header)
		}
		if err == nil {
			_, err = archive.Write(part.data)
		}
	}
	if err == nil {
		err = archive.Close()
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return "", fmt.Errorf("wrapping %s: %w", deb, err)
	}
	return file, nil
}

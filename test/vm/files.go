package vm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// put writes a file with its folders, for a machine or a package to be made of.
func put(name string, data []byte, mode os.FileMode) error {
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	if err == nil {
		err = os.WriteFile(name, data, mode)
	}
	if err == nil {
		err = os.Chmod(name, mode) // whatever the umask
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func digestOf(name string) (sum string, size int64, err error) {
	file, err := os.Open(name)
	if err != nil {
		return "", 0, fmt.Errorf("reading %s: %w", name, err)
	}
	defer file.Close()
	hash := sha256.New()
	if size, err = io.Copy(hash, file); err != nil {
		return "", 0, fmt.Errorf("reading %s: %w", name, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), size, nil
}

// LayGuest puts what the test talks to below dir.
func LayGuest(dir, program string) error {
	data, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("laying out the guest: %w", err)
	}
	return put(filepath.Join(dir, guestProgram), data, 0o755)
}

package rpmbuild

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Key signs packages. It lives until Close and is known to nobody else.
type Key struct {
	home string
	name string
}

// NewKey makes one for a person of this name.
func NewKey(ctx context.Context, name string) (*Key, error) {
	home, err := os.MkdirTemp("", "rpm-key-") // gpg-agent's socket wants a short path
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	k := &Key{home: home, name: name}
	// RSA, as vendors of packages for el7 have to use; older than what is signed with it.
	if _, err := k.gpg(ctx, "--passphrase", "", "--quick-generate-key", name, "rsa3072", "sign", "never"); err != nil {
		k.Close()
		return nil, fmt.Errorf("making a key: %w", err)
	}
	return k, nil
}

// Close forgets the key.
func (k *Key) Close() {
	_ = exec.Command("gpgconf", "--homedir", k.home, "--kill", "gpg-agent").Run()
	_ = os.RemoveAll(k.home)
}

// Public half, as `rpm --import` takes it.
func (k *Key) Public(ctx context.Context) ([]byte, error) {
	return k.gpg(ctx, "--armor", "--export")
}

// Sign a package in place.
func (k *Key) Sign(ctx context.Context, file string) error {
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		return fmt.Errorf("signing %s: %w", filepath.Base(file), err)
	}
	sign := exec.CommandContext(ctx, "rpmsign", "--define", "__gpg "+gpg, "--define", "_gpg_path "+k.home, "--define", "_gpg_name "+k.name, "--addsign", file)
	if printed, err := sign.CombinedOutput(); err != nil {
		return fmt.Errorf("signing %s: %w: %s", filepath.Base(file), err, printed)
	}
	return nil
}

// SignDetached writes the armoured signature of a file beside it, as FILE.asc.
func (k *Key) SignDetached(ctx context.Context, file string) error {
	_, err := k.gpg(ctx, "--armor", "--output", file+".asc", "--detach-sign", file)
	return err
}

func (k *Key) gpg(ctx context.Context, args ...string) ([]byte, error) {
	gpg := exec.CommandContext(ctx, "gpg", append([]string{"--homedir", k.home, "--batch", "--quiet", "--yes", "--pinentry-mode", "loopback"}, args...)...)
	out, err := gpg.Output()
	if err != nil {
		return nil, fmt.Errorf("running gpg: %w", err)
	}
	return out, nil
}

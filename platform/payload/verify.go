package payload

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/sassoftware/go-rpmutils"

	"scaleio-framework/platform/pkgmgr"
)

// verify the signature, where a key that the package must be signed with lies beside it.
func (p *Packages) verify(file string) error {
	key, err := os.ReadFile(p.root.Path(file + pkgmgr.KeySuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("reading the key that it must be signed with: %w", err)
	}
	keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(key))
	if err != nil {
		return fmt.Errorf("reading the key that it must be signed with: %w", err)
	}
	f, err := os.Open(p.root.Path(file))
	if err != nil {
		return fmt.Errorf("verifying its signature: %w", err)
	}
	defer f.Close()
	_, signatures, err := rpmutils.Verify(f, keys)
	if err != nil {
		return &pkgmgr.Error{Kind: pkgmgr.NotSigned, Detail: fmt.Sprintf("its signature isn't by the key that the manifest names: %v", err)}
	}
	if len(signatures) == 0 {
		return &pkgmgr.Error{Kind: pkgmgr.NotSigned, Detail: "it isn't signed, and the manifest names a key that it must be signed with"}
	}
	return nil
}

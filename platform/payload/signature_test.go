package payload_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/sassoftware/go-rpmutils"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/pkgmgr"
)

func newKey(t *testing.T) (key *openpgp.Entity, public string) {
	t.Helper()
	key, err := openpgp.NewEntity("packages", "", "packages@example.com", nil)
	require.NoError(t, err)
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PublicKeyType, nil)
	require.NoError(t, err)
	require.NoError(t, key.Serialize(w))
	require.NoError(t, w.Close())
	return key, b.String()
}

// Where the manifest names a key, the digest alone isn't enough.
func TestInstall_signature(t *testing.T) {
	key, public := newKey(t)
	_, others := newKey(t)
	for what, c := range map[string]struct {
		signed bool
		harmed bool
		key    string
		ok     bool
	}{
		"no key is named":             {ok: true},
		"signed with the key":         {signed: true, key: public, ok: true},
		"signed with another key":     {signed: true, key: others},
		"not signed":                  {key: public},
		"changed after it was signed": {signed: true, harmed: true, key: public},
		"what is beside it is no key": {signed: true, key: "text"},
	} {
		t.Run(what, func(t *testing.T) {
			m := newMachine(t)
			pkg := m.put(mdm("3.6"))
			full := filepath.Join(m.root, pkg)
			if c.signed {
				f, err := os.Open(full)
				require.NoError(t, err)
				_, err = rpmutils.SignRpmFile(f, full+".signed", key.PrivateKey, nil)
				require.NoError(t, err)
				require.NoError(t, os.Rename(full+".signed", full))
			}
			if c.harmed {
				data, err := os.ReadFile(full)
				require.NoError(t, err)
				data[len(data)-20] ^= 1
				require.NoError(t, os.WriteFile(full, data, 0o600))
			}
			if c.key != "" {
				m.write(pkg+pkgmgr.KeySuffix, c.key)
			}
			err := m.packs.Install(t.Context(), pkg, nil)
			if c.ok {
				require.NoError(t, err)
				m.installed("3.6")
				return
			}
			require.Error(t, err)
			if c.key != "text" {
				var failed *pkgmgr.Error
				require.ErrorAs(t, err, &failed)
				assert.Equal(t, pkgmgr.NotSigned, failed.Kind)
			}
			assert.NoFileExists(t, filepath.Join(m.root, daemon), "nothing of it was written")
		})
	}
}

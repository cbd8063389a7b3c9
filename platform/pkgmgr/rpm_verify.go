package pkgmgr

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"scaleio-framework/platform"
)

// KeySuffix names the file beside a package file that holds the one public key which it must be signed with. Without it digests are enough: the caller knows
// the file's own.
const KeySuffix = ".key"

// keyDir has a key ring for every key that a package has to be signed with: the machine's own trusts whom its administrator trusts.
const keyDir = "/run/scaleio-agent/rpm-keys"

// verify what a package file says of itself, and who signed it.
func (r *RPM) verify(ctx context.Context, file string) error {
	keys, err := r.files.Glob(file + KeySuffix)
	if err != nil {
		return fmt.Errorf("looking for the key of %s: %w", file, err)
	}
	if len(keys) == 0 {
		_, err := r.checkSignature(ctx, append(slices.Clone(r.admin), "-K", "--nosignature", file))
		return err
	}
	key, _, err := r.files.Digest(file + KeySuffix)
	if err != nil {
		return fmt.Errorf("reading the key that %s must be signed with: %w", file, err)
	}
	ring := path.Join(keyDir, key) // of this key alone: a former one of the same package counts no more
	if err := r.files.MkdirAll(ring, 0o700); err != nil {
		return fmt.Errorf("making a key ring: %w", err)
	}
	if _, err := r.commands.Run(ctx, platform.Cmd{Path: "/usr/bin/rpmkeys", Args: []string{"--dbpath", ring, "--import", file + KeySuffix}, Timeout: lookTimeout}); err != nil {
		return fmt.Errorf("reading the key that %s must be signed with: %w", file, err)
	}
	signed, err := r.checkSignature(ctx, []string{"--dbpath", ring, "-K", file})
	if err == nil && !signed {
		err = &Error{Kind: NotSigned, Detail: file + " has no signature, and the manifest names a key that it must be signed with"}
	}
	return err
}

func (r *RPM) checkSignature(ctx context.Context, args []string) (signed bool, err error) {
	out, err := r.commands.Run(ctx, platform.Cmd{Path: "/usr/bin/rpmkeys", Args: args, Timeout: installTimeout})
	var exit *platform.ExitError
	text := string(out.Stdout)
	if errors.As(err, &exit) {
		text = exit.Stdout + "\n" + exit.Stderr
	} else if err != nil {
		return false, fmt.Errorf("checking a package: %w", err)
	}
	intact, signed := parseCheck(text)
	switch {
	case err == nil && intact:
		return signed, nil
	case strings.Contains(text, "SIGNATURES NOT OK") || strings.Contains(text, "GPG") || strings.Contains(text, "PGP"):
		return false, &Error{Kind: NotSigned, Detail: "the signature isn't made with the key that it must be made with: " + lastLines(text)}
	}
	return false, &Error{Kind: Damaged, Detail: lastLines(text)}
}

// parseCheck reads rpmkeys' line "FILE: digests signatures OK", or "FILE: rsa sha1 (md5) pgp md5 OK" before rpm 4.14. What failed is in capitals. An unsigned
// package is "digests OK": intact, and that is all.
func parseCheck(text string) (intact, signed bool) {
	for line := range strings.Lines(text) {
		_, said, ok := cutLast(strings.TrimSpace(line), ": ")
		if !ok || !strings.HasSuffix(said, "OK") {
			continue
		}
		words := strings.Fields(said)
		if strings.HasSuffix(said, "NOT OK") || slices.ContainsFunc(words[:len(words)-1], func(w string) bool { return w != strings.ToLower(w) }) {
			return false, false
		}
		intact = true
		signed = slices.ContainsFunc(words, func(w string) bool { return w == "signatures" || w == "pgp" || w == "gpg" })
	}
	return intact, signed
}

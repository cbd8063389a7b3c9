package scaleio

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
)

// Where the SDC's package keeps what it needs to find its module.
const (
	PathSciniSync       = "/etc/emc/scaleio/scini_sync" // 3.x and later
	PathSciniSyncOld    = "/bin/emc/scaleio/scini_sync" // 2.x
	DriverSyncName      = "driver_sync.conf"
	BuildSwitchName     = ".build_scini"                  // its existence lets scini's start build a module where headers, make and gcc are
	PathDriverCacheHost = "/var/emc-scaleio/driver_cache" // where the vendor's recipes for image-based systems keep it
)

// ModuleName of the SDC.
const ModuleName = "scini"

// DriverSync is driver_sync.conf: from where scini's start takes modules, and where it keeps them. Keys that this program doesn't know stay as they are.
type DriverSync struct {
	RepoAddress    string // ftp://, sftp://
	RepoUser       string
	RepoPassword   string
	LocalDir       string // the cache: OS, SDC version and kernel lead to scini.ko or scini.tar
	UserPrivateKey string
	RepoPublicKey  string
	SigCheck       string // 1: a module without the vendor's GPG signature isn't taken
	VendorKey      string
	SyncPattern    string
	Other          []DriverSyncEntry
}

// A DriverSyncEntry is a line with a key of its own.
type DriverSyncEntry struct{ Key, Value string }

func (d *DriverSync) fields() []struct {
	key   string
	value *string
} {
	return []struct {
		key   string
		value *string
	}{
		{"repo_address", &d.RepoAddress}, {"repo_user", &d.RepoUser}, {"repo_password", &d.RepoPassword}, {"local_dir", &d.LocalDir},
		{"user_private_rsa_key", &d.UserPrivateKey}, {"repo_public_rsa_key", &d.RepoPublicKey}, {"module_sigcheck", &d.SigCheck},
		{"emc_public_gpg_key", &d.VendorKey}, {"sync_pattern", &d.SyncPattern},
	}
}

// ParseDriverSync reads the file: key = value, blanks around "=" allowed, # for comments. Of a key that is there twice the last counts.
func ParseDriverSync(data []byte) (DriverSync, error) {
	var d DriverSync
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		key, value, ok := strings.Cut(text, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" || strings.ContainsAny(key, " \t") {
			return DriverSync{}, fmt.Errorf("reading %s: line %d isn't key = value", DriverSyncName, n) // without its text: it may hold a password
		}
		d.set(key, value)
	}
	if err := lines.Err(); err != nil {
		return DriverSync{}, fmt.Errorf("reading %s: %w", DriverSyncName, err)
	}
	return d, nil
}

func (d *DriverSync) set(key, value string) {
	for _, f := range d.fields() {
		if f.key == key {
			*f.value = value
			return
		}
	}
	for i := range d.Other {
		if d.Other[i].Key == key {
			d.Other[i].Value = value
			return
		}
	}
	d.Other = append(d.Other, DriverSyncEntry{key, value})
}

// Text is the whole file.
func (d DriverSync) Text() []byte {
	var b bytes.Buffer
	b.WriteString("# Written by scaleio-agent. Values and keys that it doesn't set are kept.\n")
	for _, f := range d.fields() {
		if *f.value != "" {
			fmt.Fprintf(&b, "%s = %s\n", f.key, *f.value)
		}
	}
	for _, o := range d.Other {
		fmt.Fprintf(&b, "%s = %s\n", o.Key, o.Value)
	}
	return b.Bytes()
}

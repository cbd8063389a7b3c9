package scaleio

import (
	"crypto/sha256"
	"encoding/hex"
)

var plainName = lazily(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
var unplain = lazily(`[^A-Za-z0-9._-]+`)

// DeviceName is the name that a disk of this identity has in the product: the identity itself where the product takes it (31 characters, no
// blanks), else its end with a hash, so that two disks never share a name and a disk has the same one whatever its letter.
func DeviceName(disk string) string {
	if len(disk) <= MaxName && plainName().MatchString(disk) {
		return disk
	}
	sum := sha256.Sum256([]byte(disk))
	short := hex.EncodeToString(sum[:8])
	end := unplain().ReplaceAllString(disk, "-")
	if room := MaxName - len(short) - 3; len(end) > room {
		end = end[len(end)-room:]
	}
	return "d-" + short + "-" + end
}

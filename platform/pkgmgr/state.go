package pkgmgr

import (
	"strings"

	"scaleio-framework/platform"
)

// parseState reads the lines "ABBREV|VERSION" of dpkg-query, one for each architecture. The abbreviation has three letters: wanted, status, error. dpkg-query
// exits with 0 for half-configured packages and for such that were removed, so the letters decide.
func parseState(text string) (state platform.PackageState, found bool) {
	for line := range strings.Lines(text) {
		abbrev, version, ok := strings.Cut(strings.TrimRight(line, "\n"), "|")
		if !ok || len(abbrev) < 2 || version == "" {
			continue
		}
		switch status := abbrev[1]; status {
		case 'n', 'c': // not installed; only configuration files are left
			continue
		default: // i installed; H half-installed, U unpacked, F half-configured, W and t wait for triggers: dpkg --configure heals those
			configured := status == 'i' && !strings.HasSuffix(abbrev, "R")
			if !found || configured {
				state = platform.PackageState{Version: version, Configured: configured}
			}
			found = true
		}
	}
	return state, found
}

package scaleio

import (
	"fmt"
	"strconv"
	"strings"
)

// Limits of one version of the product.
type Limits struct {
	SDCsPerSystem  int
	SDSsPerSystem  int
	SDSsPerDomain  int
	DevicesPerSDS  int
	DevicesPerPool int
	SDSsPerFault   int // SDSs of one fault set
	FaultPerDomain int // fault sets of one protection domain
	IPsPerMDM      int
	MinDeviceBytes int64
	MaxDeviceBytes int64
	DeviceLinks    bool // a device may be added by a link of /dev/disk/by-id
}

const (
	gb = int64(1) << 30
	tb = int64(1) << 40
)

// The deployment guide of 2.0 says 1024 SDSs; the limits that later versions report say 512. It says eight addresses per MDM, the product's
// own refusal says four: the lower figure is safe. Links of devices are taken since 3.0; of 2.x that isn't known.
var limits = []struct {
	version string
	Limits
}{
	{"2.0", Limits{1024, 1024, 128, 64, 300, 64, 64, 4, 100 * gb, 6 * tb, false}},
	{"2.5", Limits{1024, 512, 128, 64, 300, 64, 64, 4, 100 * gb, 6 * tb, false}},
	{"2.6", Limits{1024, 512, 128, 64, 300, 64, 64, 4, 100 * gb, 6 * tb, false}},
	{"3.0", Limits{1024, 512, 128, 64, 300, 64, 64, 4, 100 * gb, 8 * tb, true}},
	{"3.5", Limits{2048, 512, 128, 64, 300, 64, 64, 4, 100 * gb, 8 * tb, true}},
	{"3.6", Limits{2048, 512, 128, 64, 300, 64, 64, 4, 100 * gb, 8 * tb, true}},
}

// LimitsOf a version ("3.6-700.103", "3.6.700" or "R3_6.700.103"); an unknown version has none that could be trusted.
func LimitsOf(version string) (Limits, error) {
	short := shortVersion(version)
	for _, l := range limits {
		if l.version == short {
			return l.Limits, nil
		}
	}
	return Limits{}, fmt.Errorf("version %q of the product is not one that this program knows", version)
}

// shortVersion gives "3.6" for every spelling of it, "" for what isn't a version.
func shortVersion(v string) string {
	v = strings.Replace(strings.TrimPrefix(v, "R"), "_", ".", 1)
	parts := strings.FieldsFunc(v, func(r rune) bool { return r == '.' || r == '-' })
	if len(parts) < 2 {
		return ""
	}
	for _, p := range parts[:2] {
		if _, err := strconv.ParseUint(p, 10, 16); err != nil {
			return ""
		}
	}
	return parts[0] + "." + parts[1]
}

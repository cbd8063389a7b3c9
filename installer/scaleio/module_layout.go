package scaleio

import (
	"strconv"
	"strings"

	"scaleio-framework/platform"
)

// ModuleVersion is the SDC's version as the module repository writes it: "3.6-700.103.Ubuntu.22.04" is 3.6.700.103 there; "" if it begins with no number.
func ModuleVersion(packageVersion string) string {
	var numbers []string
	for _, part := range strings.FieldsFunc(packageVersion, func(r rune) bool { return r == '.' || r == '-' }) {
		if _, err := strconv.Atoi(part); err != nil {
			break
		}
		numbers = append(numbers, part)
	}
	return strings.Join(numbers, ".")
}

// osNames in the vendor's module repository: <OS><version>/<SDC version>/<kernel>/scini.tar. It has folders for Ubuntu; the others follow its grammar.
var osNames = map[string]string{"ubuntu": "Ubuntu", "debian": "Debian", "rhel": "RHEL", "centos": "CentOS", "rocky": "Rocky", "almalinux": "AlmaLinux",
	"ol": "Oracle", "amzn": "Amazon", "flatcar": "Flatcar", "coreos": "CoreOS"}

// ModuleOSes are the names under which the vendor's layout may have this system, the usual one first. Up to 2.x it named no version.
func ModuleOSes(f platform.Facts) []string {
	name := osNames[f.ID]
	if name == "" {
		name = f.ID
	}
	version := f.VersionID
	major, _, minors := strings.Cut(version, ".")
	if f.Family != platform.FamilyRPM || !minors {
		return []string{name + version, name}
	}
	return []string{name + major, name + version, name}
}

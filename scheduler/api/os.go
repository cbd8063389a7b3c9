package api

import (
	"slices"
	"strings"
)

// AnyOS is what a package for every system is listed under; so is nothing.
const AnyOS = "any"

// PackageOSes gives the names under which a manifest may list what is for the system os ("rocky9.3"), the most exact one first: all minor versions and all
// rebuilds of an Enterprise Linux take the same packages, which are named after it ("el9").
func PackageOSes(os string) []string {
	end := strings.IndexAny(os, "0123456789")
	if end <= 0 {
		return []string{os, "", AnyOS}
	}
	id, version := os[:end], os[end:]
	major, _, _ := strings.Cut(version, ".")
	names := []string{os}
	switch id {
	case "rhel", "centos", "rocky", "almalinux", "ol":
		names = append(names, id+major, "el"+major)
	case "amzn": // made of other versions, by the libraries that they have
		names = append(names, map[string]string{"2": "el7", "2023": "el9"}[version])
	case "flatcar", "coreos": // what runs on one release runs on the next
		names = append(names, id)
	}
	return slices.Compact(append(names, "", AnyOS))
}

// FitsOS says whether what a manifest lists under one name is for the system os.
func FitsOS(listed, os string) bool { return slices.Contains(PackageOSes(os), listed) }

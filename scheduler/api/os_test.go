package api_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/scheduler/api"
)

func TestPackageOSes(t *testing.T) {
	for os, want := range map[string][]string{
		"rocky9.3":        {"rocky9.3", "rocky9", "el9", "", "any"},
		"rhel8.10":        {"rhel8.10", "rhel8", "el8", "", "any"},
		"centos7":         {"centos7", "el7", "", "any"},
		"almalinux8.9":    {"almalinux8.9", "almalinux8", "el8", "", "any"},
		"ol8.7":           {"ol8.7", "ol8", "el8", "", "any"},
		"amzn2":           {"amzn2", "el7", "", "any"},
		"amzn2023":        {"amzn2023", "el9", "", "any"},
		"amzn2018.03":     {"amzn2018.03", "", "any"},
		"ubuntu22.04":     {"ubuntu22.04", "", "any"},
		"debian12":        {"debian12", "", "any"},
		"sles15.5":        {"sles15.5", "", "any"},
		"flatcar4459.0.0": {"flatcar4459.0.0", "flatcar", "", "any"},
		"arch":            {"arch", "", "any"},
		"":                {"", "", "any"},
	} {
		assert.Equal(t, want, api.PackageOSes(os), os)
	}
}

func TestFitsOS(t *testing.T) {
	for _, row := range []struct {
		listed, os string
		want       bool
	}{
		{"el9", "rocky9.3", true}, {"rocky9", "rocky9.3", true}, {"rocky9.3", "rocky9.3", true}, {"rocky9.4", "rocky9.3", false},
		{"el8", "rocky9.3", false}, {"rhel9", "rocky9.3", false}, {"el9", "ubuntu22.04", false}, {"ubuntu22.04", "ubuntu22.04", true},
		{"ubuntu20.04", "ubuntu22.04", false}, {"any", "ubuntu22.04", true}, {"", "flatcar4459.0.0", true}, {"flatcar", "flatcar4459.0.0", true},
	} {
		assert.Equal(t, row.want, api.FitsOS(row.listed, row.os), "%q for %q", row.listed, row.os)
	}
}

package installer_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/installer"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

func TestPrerequisiteNames(t *testing.T) {
	for _, row := range []struct {
		os      string
		family  platform.Family
		role    api.Role
		product string
		want    string
	}{
		{"ubuntu16.04", platform.FamilyDeb, api.RoleData, "2.0-14000.231", "libaio1 numactl openssl e2fsprogs xfsprogs"},
		{"ubuntu22.04", platform.FamilyDeb, api.RoleManager, "3.6-700.103", "libaio1 numactl openssl e2fsprogs xfsprogs openjdk-8-jre-headless"},
		{"ubuntu24.04", platform.FamilyDeb, api.RoleTieBreaker, "4.5-2.185", "libaio1t64 numactl openssl e2fsprogs xfsprogs"},
		{"centos7", platform.FamilyRPM, api.RoleManager, "2.0-14000.231", "libaio numactl openssl e2fsprogs xfsprogs python binutils java-1.8.0-openjdk-headless"},
		{"centos7", platform.FamilyRPM, api.RoleTieBreaker, "3.6-700.103", "libaio numactl openssl e2fsprogs xfsprogs python3 binutils"},
		{"rhel7.5", platform.FamilyRPM, api.RoleManager, "3.6-700.103", "libaio numactl openssl e2fsprogs xfsprogs python3 binutils java-1.8.0-openjdk-headless"},
		{"rhel8.10", platform.FamilyRPM, api.RoleTieBreaker, "2.6-0.133", "libaio numactl openssl e2fsprogs xfsprogs python3 binutils"},
		{"ol8.7", platform.FamilyRPM, api.RoleManager, "4.5-2.185", "libaio numactl openssl e2fsprogs xfsprogs python3 binutils java-1.8.0-openjdk-headless"},
		{"amzn2", platform.FamilyRPM, api.RoleTieBreaker, "2.6-0.133", "libaio numactl openssl e2fsprogs xfsprogs python binutils"},
		{"amzn2023", platform.FamilyRPM, api.RoleTieBreaker, "3.6-700.103", "libaio numactl openssl e2fsprogs xfsprogs python3 binutils"},
		{"rocky9.3", platform.FamilyRPM, api.RoleManager, "3.6-700.103", "libaio numactl openssl e2fsprogs xfsprogs python3 binutils java-1.8.0-openjdk-headless"},
		{"rocky9.3", platform.FamilyRPM, api.RoleData, "", "libaio numactl openssl e2fsprogs xfsprogs"},
		{"rocky9.3", platform.FamilyRPM, api.RoleClient, "", "libaio numactl openssl e2fsprogs xfsprogs"},
		{"flatcar4459.0.0", platform.FamilyFlatcar, api.RoleClient, "3.6-700.103", ""},
	} {
		got := installer.PrerequisiteNames(platform.Facts{OS: row.os, Family: row.family}, row.role, row.product)
		assert.Equal(t, row.want, strings.Join(got, " "), "%s %s %s", row.os, row.role, row.product)
	}
}

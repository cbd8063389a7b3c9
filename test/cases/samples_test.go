package cases_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/cases"
)

const samplesDir = "../scaleio/scli/testdata"

// A cluster that prints the samples themselves, in its own settings, keeps the promise; one other word in any of its outputs breaks it.
func TestDocumented(t *testing.T) {
	files := map[string]string{"query_cluster": "query_cluster-renamed", "query_all_sdc": "query_all_sdc-unrestricted", "query_properties": "query_properties-mdm"}
	chosen := strings.NewReplacer("Zero padding is disabled", "Zero padding is enabled", "Media type: HDD", "Media type: SSD", "Uses RAM", "Doesn't use RAM",
		"Thin-provisioned", "Thick-provisioned", "Name: tuc,", "Name: scaleio,", "10.0.0.", "10.77.0.")
	asked := 0
	scli := func(replace ...string) func(...string) (string, error) {
		return func(query ...string) (string, error) {
			asked++
			name := strings.TrimPrefix(query[0], "--")
			if files[name] != "" {
				name = files[name]
			}
			raw, err := os.ReadFile(filepath.Join(samplesDir, name+".txt"))
			text := strings.ReplaceAll("\n"+string(raw), "\n~", "\n")[1:]
			return strings.NewReplacer(replace...).Replace(chosen.Replace(text)), err
		}
	}
	require.NoError(t, cases.Documented(samplesDir, "10.77.0.11", scli()))
	assert.Equal(t, 8, asked)
	for _, c := range [][2]string{
		{"State: Normal, Active", "State: Degraded, Active"}, {"SDC refresh", "SDC  refresh"}, {"Version: 2.0.5014", "version: 2.0.5014"}, {"\tSpare policy", "    Spare policy"},
		{"Zero padding is enabled", "Zero padding is Enabled"}, {"mode: Disabled", "mode: disabled"}, {"Unmapped", " Unmapped"}, {"Original-path", "Original path"},
		{"IS_MASTER ", "IS_MASTER"}, {"<Not Set>", "N/A"}, {"Need-New-Pass", "Need New Pass"}, {"System has 2 users", "System has two users"},
	} {
		assert.Error(t, cases.Documented(samplesDir, "10.77.0.11", scli(c[0], c[1])), c[0])
	}
}

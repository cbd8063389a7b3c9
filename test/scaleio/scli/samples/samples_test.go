package samples

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const documented = "../testdata"

// No character of any sample is without meaning: whichever is put another in its place stays to be seen, and so does a blank too few or many.
// A few characters far from each other are changed at a time.
func TestShape_everyCharacterCounts(t *testing.T) {
	const apart = 8
	files, err := filepath.Glob(documented + "/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	seen := map[string]bool{} // lines that differ in values only: one of them will do
	for _, file := range files {
		text, err := read(documented, strings.TrimSuffix(filepath.Base(file), ".txt"))
		require.NoError(t, err)
		for _, line := range strings.Split(text, "\n") {
			same := shape(line)
			if seen[same] {
				continue
			}
			seen[same] = true
			for first := range min(apart, len(line)) {
				changed := []byte(line)
				for i := first; i < len(line); i += apart {
					changed[i] = '#'
				}
				assert.Equal(t, strings.Count(string(changed), "#"), strings.Count(shape(string(changed)), "#"), "%s: %q", file, changed)
			}
			blanks := strings.Count(line, " ")
			for _, n := range []int{0, blanks / 2, blanks - 1} {
				if at := nth(line, ' ', n); at >= 0 {
					assert.NotEqual(t, same, shape(line[:at]+line[at+1:]), "%s: %q without its blank %d", file, line, n)
					assert.NotEqual(t, same, shape(line[:at]+" "+line[at:]), "%s: %q with its blank %d twice", file, line, n)
				}
			}
		}
	}
}

// nth gives the place of a character's nth occurrence.
func nth(line string, c byte, n int) int {
	for i := range len(line) {
		if line[i] == c {
			if n == 0 {
				return i
			}
			n--
		}
	}
	return -1
}

func TestShape(t *testing.T) {
	for _, c := range []struct{ one, other, as string }{
		{"    Name: tuc, Mode: 3_node, State: Normal, Active: 3/3, Replicas: 2/2", "    Name: n-1.a, Mode: 3_node, State: Normal, Active: 3/3, Replicas: 2/2", "    Name: NAME, Mode: 3_node, State: Normal, Active: 3/3, Replicas: 2/2"},
		{"    Name: a, ID: 0x1ed68652078a0ab1, Manager", "    Name: b, ID: 0x44691e69695396d0, Manager", "    Name: NAME, ID: 0xID, Manager"},
		{"Protection Domain default (Id: 0738...) has 1 storage pools and 568.0 GB (581632 MB)", "Protection Domain pd1 (Id: 0738a5f300000000) has 2 storage pools and 0 Bytes", "Protection Domain NAME (Id: ID) has N storage pools and SIZE"},
		{"\tCERTIFICATE_THUMBPRINT  ED:3C:...:6C:7F", "\tCERTIFICATE_THUMBPRINT  CD:D5:9D:AB:F6:94:5A:12:97:78:4C:6D:A5:F5:9A:E8:96:EF:9D:BB", "\tCERTIFICATE_THUMBPRINT  THUMBPRINT"},
		{"    Virtual IP Addresses: 192.168.50.21, 192.168.51.21", "    Virtual IP Addresses: 10.0.0.1", "    Virtual IP Addresses: ADDRESSES"},
		{" Name: v Size: 16.0 GB (16384 MB)Unmapped Thin-provisioned", " Name: w Size: 8.0 GB (8192 MB)Unmapped Thin-provisioned", " Name: NAME Size: SIZEUnmapped Thin-provisioned"},
	} {
		assert.Equal(t, c.as, shape(c.one))
		assert.Equal(t, c.as, shape(c.other))
	}
	for _, c := range [][2]string{
		{"Mode: 3_node, Active: 3/3", "Mode: 3_node, Active: 2/3"}, {"Mode: 3_node", "Mode: 5_node"}, {"TLS version: TLSv1.2", "TLS version: TLSv1.3"},
		{"State: Normal", "State: Degraded"}, {"mode: Enabled", "mode: enabled"}, {"Size: 8.0 GB (8192 MB)", "Size: 8 GB (8192 MB)"},
		{"Size: 8.0 GB (8192 MB)", "Size: 8.0 GB (8192 GB)"}, {"ID: 7366e3583838ca64", "ID: 7366E3583838CA64"}, {"ID: 7366e3583838ca64", "ID: 7366e3583838ca6"},
	} {
		assert.NotEqual(t, shape(c[0]), shape(c[1]))
	}
}

func differs(sample, output string) string { return Differs(Shape(sample), Shape(output)) }

func TestDiffers(t *testing.T) {
	const sample = "Query-all-SDS returned 3 SDS nodes.\n\nProtection Domain 0738a5f300000000 Name: default\n" +
		"SDS ID: 454581a100000000 Name: sds1 State: Connected, Joined IP: 10.0.0.11 Port: 7072 Version: 2.0.5014\n"
	more := sample + "SDS ID: 454581a200000001 Name: sds2 State: Connected, Joined IP: 10.0.0.12 Port: 7072 Version: 3.6.700\n"
	assert.Empty(t, differs(sample, sample))
	assert.Empty(t, differs(sample, more), "a sample shows one of many")
	assert.Contains(t, differs(sample, strings.Replace(more, "Connected", "Disconnected", 1)), "printed, but not documented")
	assert.Contains(t, differs(sample, strings.Replace(sample, "\n\n", "\n", 1)), "printed, but not documented")
	assert.Contains(t, differs(sample, strings.TrimSuffix(sample, "\n")), "documented, but not printed")
	assert.Contains(t, differs(sample, sample+"\n"), "printed, but not documented")
	assert.Contains(t, differs("a\nb\n", "b\na\n"), `"b"`, "lines have an order")

	const properties = "SDS 454581a100000000:\n\tPORT 1\n"
	assert.Empty(t, differs(properties+"\n"+properties, properties+"\n"+properties+"\n"+properties))
	assert.NotEmpty(t, differs(properties+"\n"+properties, properties+properties), "a blank line is between two objects")
	assert.NotEmpty(t, differs(properties, strings.TrimSuffix(properties, "\tPORT 1\n")), "an entry is whole")
}

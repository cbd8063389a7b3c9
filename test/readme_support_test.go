package test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/platform/platformtest"
)

const supportFrom = "<!-- generated: supported systems (make readme) -->\n"

// The README's table says of every system that there are files of what the program decides from them.
func TestReadme_supportTableIsWhatIsDecided(t *testing.T) {
	text := read(t, "../README.md")
	before, rest, ok := strings.Cut(text, supportFrom)
	require.True(t, ok, "README.md lacks the line %q", supportFrom)
	written, after, ok := strings.Cut(rest, generatedTo)
	require.True(t, ok, "README.md lacks the line %q", generatedTo)
	want := supportTable(t)
	if *update {
		require.NoError(t, os.WriteFile("../README.md", []byte(before+supportFrom+want+generatedTo+after), 0o600))
		return
	}
	assert.Equal(t, want, written, "make readme writes it anew")
}

// Every version that is named as supported is one that there are files of.
func TestSupportedOSes_areStoodFor(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range platformtest.Machines() {
		if os, ok := installer.SystemOf(m.Facts(t)); ok {
			seen[os.ID] = true
			seen[os.ID+os.Version(m.Facts(t))] = true
		}
	}
	for _, os := range installer.SupportedOSes {
		assert.True(t, seen[os.ID], os.ID)
		for _, version := range os.Versions {
			assert.True(t, seen[os.ID+version], "%s %s", os.ID, version)
		}
	}
}

// A line of the table: one system with all its versions of which the same is true.
type supportLine struct {
	name, client, storage, packages, note string
	versions                              []string
}

func supportTable(t *testing.T) string {
	t.Helper()
	var lines []*supportLine
	for _, m := range platformtest.Machines() {
		line, version := supportOfMachine(t, m)
		i := slices.IndexFunc(lines, func(l *supportLine) bool {
			return l.name == line.name && l.client == line.client && l.storage == line.storage && l.note == line.note
		})
		if i < 0 {
			lines, i = append(lines, line), len(lines)
		}
		if version != "" && !slices.Contains(lines[i].versions, version) {
			lines[i].versions = append(lines[i].versions, version)
		}
	}
	slices.SortStableFunc(lines, func(a, b *supportLine) int {
		return strings.Count(b.client+b.storage, "yes") - strings.Count(a.client+a.storage, "yes")
	})
	var b strings.Builder
	b.WriteString("| system | client | storage | packages | |\n|---|---|---|---|---|\n")
	for _, l := range lines {
		name := strings.TrimSpace(l.name + " " + strings.Join(l.versions, ", "))
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, l.client, l.storage, l.packages, l.note)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func supportOfMachine(t *testing.T, m platformtest.Machine) (line *supportLine, version string) {
	facts := m.Facts(t)
	is, allowed := installer.SupportedPlatform(facts, false), installer.SupportedPlatform(facts, true)
	word := func(is, allowed bool) string {
		switch {
		case is:
			return "yes"
		case allowed:
			return "`allow-unsupported`"
		}
		return "no"
	}
	line = &supportLine{client: word(is.Client, allowed.Client), storage: word(is.Storage, allowed.Storage)}
	os, known := installer.SystemOf(facts)
	if !known || !allowed.Client {
		why, _, _ := strings.Cut(is.Why, "; supported are")
		line.packages, line.note = "–", strings.TrimPrefix(strings.TrimPrefix(why, facts.Pretty+" ("+facts.OS+") "), facts.OS+" ")
		line.note = strings.TrimPrefix(line.note, "isn't supported: ")
		return line, m.Name
	}
	line.name, line.packages, line.note = os.Name, os.Packages, os.Note
	return line, os.Version(facts)
}

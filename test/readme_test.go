package test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler"
	"scaleio-framework/scheduler/config"
)

var update = flag.Bool("update", false, "rewrite the README's generated part")

const (
	generatedFrom = "<!-- generated: scaleio-scheduler config-reference (make readme) -->\n"
	generatedTo   = "\n<!-- end generated -->"
)

func TestReadme_configurationIsTheProgramsOwn(t *testing.T) {
	text := read(t, "../README.md")
	before, rest, ok := strings.Cut(text, generatedFrom)
	require.True(t, ok, "README.md lacks the line %q", generatedFrom)
	written, after, ok := strings.Cut(rest, generatedTo)
	require.True(t, ok, "README.md lacks the line %q", generatedTo)
	if *update {
		require.NoError(t, os.WriteFile("../README.md", []byte(before+generatedFrom+config.Reference()+generatedTo+after), 0o600))
		return
	}
	assert.Equal(t, config.Reference(), written, "make readme writes it anew")
}

func TestReadme_manifestIsOneThatTheSchedulerTakes(t *testing.T) {
	example := between(t, read(t, "../README.md"), "```json\n", "```")
	path := filepath.Join(t.TempDir(), "manifest.json")
	require.NoError(t, os.WriteFile(path, []byte(example), 0o600))
	manifest, err := scheduler.ReadManifest(path)
	require.NoError(t, err)
	assert.NotEmpty(t, manifest.Packages)
}

var (
	command = regexp.MustCompile("(scaleio-scheduler|scaleio-agent) ([a-z][a-z-]+)")
	link    = regexp.MustCompile(`\]\(([^)#:]+)\)`)
	place   = regexp.MustCompile("`((?:agent|installer|packaging|platform|scheduler|systemd|test)/[a-z0-9_/.-]+)`")
	target  = regexp.MustCompile("(?m)(?:^    |`)make ([a-z-]+)")
	use     = regexp.MustCompile(`(?:Use:\s+|asking\()"([a-z-]+)`)
)

// What the documents name is there: files, make's targets, the programs' commands.
func TestDocuments_nameOnlyWhatExists(t *testing.T) {
	makefile := read(t, "../Makefile")
	commands := map[string]string{"scaleio-scheduler": commandsOf(t, "../scheduler/cmd/scaleio-scheduler"), "scaleio-agent": commandsOf(t, "../agent/cmd/scaleio-agent")}
	for _, name := range []string{"../README.md", "../ARCHITECTURE.md"} {
		text := read(t, name)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			assert.FileExists(t, filepath.Join("..", m[1]), "%s links to it", name)
		}
		for _, m := range target.FindAllStringSubmatch(text, -1) {
			assert.Regexp(t, `(?m)^`+m[1]+`:`, makefile, "%s says make %s", name, m[1])
		}
		for _, m := range place.FindAllStringSubmatch(text, -1) {
			_, err := os.Stat(filepath.Join("..", m[1]))
			assert.NoError(t, err, "%s names it", name)
		}
		code := strings.Join(regexp.MustCompile("`[^`\n]+`").FindAllString(text, -1), "\n")
		for _, m := range command.FindAllStringSubmatch(code, -1) {
			assert.Contains(t, commands[m[1]], " "+m[2]+" ", "%s says %s", name, m[0])
		}
	}
}

// The table of ARCHITECTURE.md and the one that is enforced speak of the same packages.
func TestArchitecture_tableNamesTheEnforcedPackages(t *testing.T) {
	table := between(t, read(t, "../ARCHITECTURE.md"), "| folder |", "\n\n")
	for pkg := range mayImport {
		base := strings.TrimSuffix(pkg, "/...")
		_, last, _ := strings.Cut(base, "/cmd/")
		assert.True(t, strings.Contains(table, base) || last != "" && strings.Contains(table, "*/cmd/*"), "ARCHITECTURE.md's table lacks %s", base)
	}
}

func commandsOf(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	found := " "
	for _, file := range files {
		for _, m := range use.FindAllStringSubmatch(read(t, file), -1) {
			found += m[1] + " "
		}
	}
	return found
}

func between(t *testing.T, text, from, to string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, from)
	require.True(t, ok, "%q isn't there", from)
	part, _, ok := strings.Cut(rest, to)
	require.True(t, ok, "%q isn't there", to)
	return part
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(data)
}

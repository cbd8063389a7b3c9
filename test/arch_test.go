// Package test holds the tests of the repository as a whole; the stand-ins and the harness are in the folders below.
package test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "scaleio-framework/"

// mayImport is the import table of ARCHITECTURE.md: who may import which of our packages. A package that is missing here fails the test. "x/..." stands for x and all below.
var mayImport = map[string][]string{
	"scheduler/api":                   {},
	"platform/...":                    {"platform/..."},
	"systemd/...":                     {"systemd/..."},
	"installer/step/...":              {"scheduler/api", "installer/step/..."},
	"installer/scaleio":               {"scheduler/api", "platform", "installer/scaleio"},
	"installer":                       {"scheduler/api", "installer/step", "installer/scaleio", "platform/...", "systemd"},
	"installer/...":                   {"scheduler/api", "installer/...", "platform/...", "systemd/..."},
	"agent":                           {"scheduler/api", "installer/...", "platform/...", "systemd", "agent/leader"},
	"agent/leader":                    {"scheduler/api", "installer/step", "installer/scaleio"},
	"agent/leader/...":                {"scheduler/api", "installer/...", "agent/leader/..."},
	"agent/cmd/scaleio-agent":         {"agent/...", "installer/...", "platform/...", "systemd", "scheduler/api", "scheduler/client", "scheduler/explain"},
	"scheduler/explain":               {"scheduler/api"},
	"scheduler/...":                   {"scheduler/..."},
	"scheduler/cmd/scaleio-scheduler": {"scheduler/..."},
	"test/...":                        {"..."},
}

// onlyThere names libraries that one part alone may know, so that they can be replaced.
var onlyThere = map[string][]string{
	"github.com/mesos/mesos-go": {"scheduler/offers", "test/mesos"},
	"github.com/dell/goscaleio": {"installer/scaleio", "test"},
	"github.com/aws":            {"platform/aws", "test/aws"}, // test/aws: the stand-in is held against the real client
	"go.etcd.io/bbolt":          {"scheduler/store"},
	"github.com/go-zookeeper":   {"scheduler/zookeeper", "test/zookeeper"},
	"github.com/spf13/cobra":    {"agent/cmd", "scheduler/cmd", "test"},
}

func TestImports_pointOneWay(t *testing.T) {
	for file, imports := range importsOfEveryFile(t) {
		pkg := path.Dir(file)
		for _, imported := range imports {
			if ours, ok := strings.CutPrefix(imported, module); ok && ours != pkg {
				assert.True(t, allowed(t, pkg, ours, strings.HasSuffix(file, "_test.go")), "%s must not import %s", file, imported)
			}
			for library, places := range onlyThere {
				if imported == library || strings.HasPrefix(imported, library+"/") {
					assert.True(t, within(pkg, places), "%s: only %v may import %s", file, places, library)
				}
			}
		}
	}
}

// The wire types must stay free of everything, so that any program may speak them.
func TestImports_apiIsStandardLibraryOnly(t *testing.T) {
	for file, imports := range importsOfEveryFile(t) {
		if path.Dir(file) != "scheduler/api" || strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, imported := range imports {
			assert.NotContains(t, imported, ".", "%s imports %s", file, imported)
		}
	}
}

func TestImports_theTableCanFail(t *testing.T) {
	assert.False(t, allowed(t, "platform/block", "installer", false))
	assert.False(t, allowed(t, "scheduler/decide", "agent", false))
	assert.False(t, allowed(t, "agent", "test/nodes", false))
	assert.True(t, allowed(t, "agent", "installer/step", false))
}

// allowed looks the importer up: its own row, else the nearest "..." row above it. Tests may use the fakes of what their package may import.
func allowed(t *testing.T, pkg, ours string, isTest bool) bool {
	t.Helper()
	rights, ok := mayImport[pkg]
	for at := pkg; !ok && at != "."; at = path.Dir(at) {
		rights, ok = mayImport[at+"/..."]
	}
	require.True(t, ok, "package %s is not in the import table", pkg)
	if isTest && (strings.HasSuffix(path.Base(ours), "test") || ours == pkg) {
		return !strings.HasPrefix(ours, "test/") || strings.HasPrefix(pkg, "test/")
	}
	for _, right := range rights {
		base, tree := strings.CutSuffix(right, "...")
		if right == "..." || ours == right || tree && (ours+"/" == base || strings.HasPrefix(ours, base)) {
			return true
		}
	}
	return false
}

func within(pkg string, places []string) bool {
	for _, place := range places {
		if pkg == place || strings.HasPrefix(pkg, place+"/") {
			return true
		}
	}
	return false
}

func importsOfEveryFile(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	root := os.DirFS("..")
	require.NoError(t, fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (name == "build" || strings.HasPrefix(entry.Name(), ".") && name != ".") {
			return fs.SkipDir
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			all[name] = append(all[name], imported)
		}
		return nil
	}))
	require.NotEmpty(t, all)
	return all
}

package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A test may end unrun by machinetest.Lacks alone, which fails where CI is set: a skip that nobody sees is a test that nobody has.
func TestSkips_areNoneInCI(t *testing.T) {
	root := os.DirFS("..")
	require.NoError(t, fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (name == "build" || strings.HasPrefix(entry.Name(), ".") && name != ".") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		assert.Empty(t, skips(t, name, source), "use machinetest.Lacks")
		return nil
	}))
	assert.Equal(t, []string{"x_test.go:2"}, skips(t, "x_test.go", []byte("package x\nfunc f(t *testing.T) { t.Skipf(why) }")), "the check must be able to fail")
}

// skips are the places of a file where a test is skipped, whatever its build tags.
func skips(t *testing.T, name string, source []byte) (found []string) {
	t.Helper()
	places := token.NewFileSet()
	file, err := parser.ParseFile(places, name, source, parser.SkipObjectResolution)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		if call, is := n.(*ast.CallExpr); is {
			if f, is := call.Fun.(*ast.SelectorExpr); is && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, f.Sel.Name) {
				at := places.Position(call.Pos())
				at.Column = 0
				found = append(found, at.String())
			}
		}
		return true
	})
	return found
}

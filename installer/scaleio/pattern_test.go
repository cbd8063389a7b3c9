package scaleio

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A pattern that can't be made would only be found by whoever needs it.
func TestPatterns_canBeMade(t *testing.T) {
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	made := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			call, is := n.(*ast.CallExpr)
			if !is {
				return true
			}
			if f, is := call.Fun.(*ast.Ident); is && f.Name == "lazily" {
				made++
				text := textOf(t, call.Args[0])
				assert.NotPanics(t, func() { lazily(text)() }, "%s: %s", e.Name(), text)
			}
			return true
		})
	}
	assert.Greater(t, made, 70)
}

func textOf(t *testing.T, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		require.NoError(t, err)
		return text
	case *ast.BinaryExpr:
		return textOf(t, e.X) + textOf(t, e.Y)
	case *ast.Ident:
		require.Equal(t, "size", e.Name)
		return size
	}
	t.Fatalf("not a text: %T", e)
	return ""
}

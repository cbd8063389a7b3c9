package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/explain"
)

// Every reason that a condition, a disk or a node can have has words for people who don't know ScaleIO.
func TestReasons_haveWords(t *testing.T) {
	found := reasonsInCode(t)
	require.Greater(t, len(found), 150, "they are found at all")
	for _, known := range []string{"PortTaken", "HasSignature", "WaitingForApproval", "UnsafeRestart", "Silent", "ClockSkew", "ApplicationContainer", "MetadataHopLimit", "BelongsElsewhere", "NameConflict"} {
		require.Contains(t, found, known)
	}
	for reason, where := range found {
		words, ok := explain.Reason(reason)
		assert.True(t, ok, "%s (%s) has no words in scheduler/explain", reason, where)
		assert.NotEmpty(t, words.Means, reason)
	}
	for _, reason := range explain.Reasons() {
		assert.NotEmpty(t, found[reason], "scheduler/explain has words for %s, which nothing says any more", reason)
	}
}

var camelCase = regexp.MustCompile(`^[A-Z][A-Za-z]+$`)

// reasonsInCode reads them from the source: what is given to step's findings, constants named Reason or Condition, fields Reason, and results named reason.
func reasonsInCode(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, top := range []string{"agent", "installer", "scheduler", "platform"} {
		require.NoError(t, filepath.WalkDir(filepath.Join("..", top), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "test/") {
				return err
			}
			if slices.Contains([]string{"explain", "offers", "store"}, filepath.Base(filepath.Dir(path))) {
				return nil
			}
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, raw, 0)
			require.NoError(t, err)
			ast.Inspect(file, func(n ast.Node) bool {
				for _, e := range reasonsOf(n) {
					if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
						if text, err := strconv.Unquote(lit.Value); err == nil && camelCase.MatchString(text) {
							found[text] = fset.Position(lit.Pos()).String()
						}
					}
				}
				return true
			})
			return nil
		}))
	}
	return found
}

var saysReason = map[string]bool{"Need": true, "Wait": true, "Block": true, "Permanent": true, "waitFor": true, "blocked": true, "set": true, "add": true, "refuse": true}

func reasonsOf(n ast.Node) (all []ast.Expr) {
	switch n := n.(type) {
	case *ast.CallExpr:
		name := ""
		switch f := n.Fun.(type) {
		case *ast.Ident:
			name = f.Name
		case *ast.SelectorExpr:
			name = f.Sel.Name
		}
		if saysReason[name] {
			all = append(all, n.Args[:min(2, len(n.Args))]...)
		}
	case *ast.ValueSpec:
		for i, id := range n.Names {
			lower := strings.ToLower(id.Name)
			if i < len(n.Values) && (strings.HasPrefix(lower, "reason") || strings.HasPrefix(id.Name, "Condition")) {
				all = append(all, n.Values[i])
			}
		}
	case *ast.KeyValueExpr:
		if id, ok := n.Key.(*ast.Ident); ok && strings.EqualFold(id.Name, "reason") {
			all = append(all, n.Value)
		}
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			name := ""
			switch l := left.(type) {
			case *ast.Ident:
				name = l.Name
			case *ast.SelectorExpr:
				name = l.Sel.Name
			}
			if strings.EqualFold(name, "reason") && i < len(n.Rhs) {
				all = append(all, n.Rhs[i])
			}
		}
	case *ast.CompositeLit:
		if id := typeName(n.Type); id == "Finding" || id == "Refusal" {
			all = append(all, n.Elts...)
		}
	case *ast.FuncDecl:
		all = returned(n)
	}
	return all
}

func typeName(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.Ident:
		return t.Name
	case *ast.SelectorExpr:
		return t.Sel.Name
	}
	return ""
}

// returned literals in the place of a result named reason.
func returned(f *ast.FuncDecl) (all []ast.Expr) {
	at, i := -1, 0
	if f.Type.Results == nil || f.Body == nil {
		return nil
	}
	for _, field := range f.Type.Results.List {
		for _, name := range field.Names {
			if name.Name == "reason" {
				at = i
			}
			i++
		}
	}
	if at < 0 {
		return nil
	}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		if r, ok := n.(*ast.ReturnStmt); ok && at < len(r.Results) {
			all = append(all, r.Results[at])
		}
		return true
	})
	return all
}

package kmod

import (
	"cmp"
	"strings"
)

// Compare releases as boot loaders sort them: numbers as numbers, the rest as text; a suffix after "~" or "-rc" comes before none.
func Compare(a, b string) int {
	for a != "" || b != "" {
		x, restA := run(a)
		y, restB := run(b)
		if c := compareRuns(x, y); c != 0 {
			return c
		}
		a, b = restA, restB
	}
	return 0
}

// run cuts the leading digits, or the leading non-digits.
func run(s string) (head, rest string) {
	if s == "" {
		return "", ""
	}
	digits := isDigit(s[0])
	i := 1
	for i < len(s) && isDigit(s[i]) == digits {
		i++
	}
	return s[:i], s[i:]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func compareRuns(x, y string) int {
	switch {
	case x == y:
		return 0
	case early(x) || early(y):
		if early(x) && early(y) {
			return cmp.Compare(x, y)
		}
		if early(x) {
			return -1
		}
		return 1
	case x != "" && y != "" && isDigit(x[0]) && isDigit(y[0]):
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
	}
	return cmp.Compare(x, y)
}

func early(s string) bool { return strings.HasPrefix(s, "~") || strings.HasPrefix(s, "-rc") }

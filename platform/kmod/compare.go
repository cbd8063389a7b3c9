package kmod

import (
	"cmp"
	"regexp"
	"strings"
)

// words of a release: numbers, letters, and the mark of what comes before its release.
var words = regexp.MustCompile(`~|[0-9]+|[A-Za-z]+`)

// Compare releases by their age, word by word as rpm does: numbers as numbers, a number after letters ("5.14.0-427.13.1.el9" is newer than "5.14.0-427.el9"), and
// release candidates before their release.
func Compare(a, b string) int {
	x, y := words.FindAllString(a, -1), words.FindAllString(b, -1)
	for i := range max(len(x), len(y)) {
		if c := compareWords(word(x, i), word(y, i)); c != 0 {
			return c
		}
	}
	return cmp.Compare(a, b)
}

func word(all []string, i int) string {
	if i < len(all) {
		return all[i]
	}
	return ""
}

// rank of kinds of words: before nothing at all, nothing, letters, numbers.
func rank(w string) int {
	switch {
	case w == "~" || w == "rc":
		return 0
	case w == "":
		return 1
	case w[0] < '0' || w[0] > '9':
		return 2
	}
	return 3
}

func compareWords(x, y string) int {
	if c := cmp.Compare(rank(x), rank(y)); c != 0 || rank(x) < 3 {
		return cmp.Or(c, cmp.Compare(x, y))
	}
	x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
}

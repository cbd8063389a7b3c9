package decide

import (
	"fmt"
	"strings"
)

// MaxName is the product's limit for every name; blanks aren't allowed either.
const MaxName = 31

// Name for a node, made of its host's name; taken says which are in use.
func Name(hostname, id string, taken func(string) bool) string {
	base := clean(strings.SplitN(hostname, ".", 2)[0])
	if base == "" {
		base = clean("node-" + id)
	}
	name := cut(base, MaxName)
	for i := 2; taken(name); i++ {
		suffix := fmt.Sprintf("-%d", i)
		name = cut(base, MaxName-len(suffix)) + suffix
	}
	return name
}

func clean(s string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '-'
	}, s), "-")
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

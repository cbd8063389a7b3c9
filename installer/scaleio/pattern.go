package scaleio

import (
	"regexp"
	"sync"
)

// A pattern is a regular expression that is made when it is needed first. All of them together are more than a megabyte of an agent's memory, and most nodes
// never read what the product says.
type pattern func() *regexp.Regexp

func lazily(expression string) pattern {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })
}

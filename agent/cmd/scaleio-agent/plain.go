package main

import (
	"strings"
	"unicode"
)

// plain shows control characters as question marks: what a disk, the product or the network says must not steer root's terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, strings.Join(strings.Fields(s), " "))
}

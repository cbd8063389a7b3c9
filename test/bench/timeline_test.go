//go:build nodes

package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

var applied = regexp.MustCompile(`^(\S+) .*msg=applied.* step=(\S+).* dur=(\S+)`)

// acts of an agent, as its journal tells them: when each was done, and how long it took.
func acts(journal string, begun time.Time) string {
	var text strings.Builder
	for line := range strings.Lines(journal) {
		m := applied.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		at, err := time.Parse("2006-01-02T15:04:05.999999-0700", m[1])
		if err != nil {
			continue
		}
		fmt.Fprintf(&text, "  %6.1f s  %-24s %s\n", at.Sub(begun).Seconds(), m[2], m[3])
	}
	return text.String()
}

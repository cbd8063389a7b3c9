package config

import (
	"fmt"
	"strings"
)

// Reference of all keys in Markdown, for the README.
func Reference() string {
	var b strings.Builder
	group := ""
	for _, k := range keys(&Config{}) {
		if k.group != group {
			group = k.group
			fmt.Fprintf(&b, "\n### %s\n\n| key, flag | environment | default | what |\n|---|---|---|---|\n", group)
		}
		name, fallback := "`"+k.name+"`", ""
		if k.envOnly {
			name = "–"
		}
		if k.fallback != "" {
			fallback = "`" + k.fallback + "`"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", name, Env(k.name), fallback, strings.ReplaceAll(k.help, "|", "\\|"))
	}
	return strings.TrimLeft(b.String(), "\n")
}

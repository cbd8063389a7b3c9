package platform

import "strings"

// parseOSRelease reads the KEY=value lines of os-release(5): values may be quoted either way, keys may repeat (the last one counts), anything else is
// skipped. It never fails: a strange line is not worth refusing a machine for.
func parseOSRelease(text string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, "=")
		if !ok || strings.HasPrefix(line, "#") || !isKey(key) {
			continue
		}
		values[key] = unquote(value)
	}
	return values
}

func isKey(s string) bool {
	for _, r := range s {
		if r != '_' && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

// unquote does what a shell would do with an assignment that has no expansions.
func unquote(s string) string {
	var out strings.Builder
	var quote byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(s):
			i++
			out.WriteByte(s[i])
		case quote == 0 && (c == ' ' || c == '\t'): // an unquoted blank ends the value
			return out.String()
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

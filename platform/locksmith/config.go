package locksmith

import (
	"bytes"
	"strings"
)

// Unit of locksmithd. It reads its configuration when it starts, and ends at once where that says that it shall not reboot.
const Unit = "locksmithd.service"

const (
	keyStrategy = "REBOOT_STRATEGY"
	strategyOff = "off"
	before      = "# before scaleio-agent: "
	mark        = "# by scaleio-agent:\n"
)

// ConfigPath of a system by its os-release ID.
func ConfigPath(id string) string { return "/etc/" + id + "/update.conf" }

// RebootsOff tells whether a configuration keeps locksmithd from rebooting. As in the environment that it becomes, the last line counts.
func RebootsOff(config []byte) bool {
	strategy := ""
	for line := range strings.Lines(string(config)) {
		if value, ok := strategyOf(line); ok {
			strategy = value
		}
	}
	return strategy == strategyOff
}

// WithRebootsOff is the same configuration with reboots off. What was there stays, another strategy as a comment.
func WithRebootsOff(config []byte) []byte {
	if RebootsOff(config) {
		return config
	}
	var b strings.Builder
	for line := range strings.Lines(string(config)) {
		if _, ok := strategyOf(line); ok {
			b.WriteString(before)
		}
		b.WriteString(strings.TrimSuffix(line, "\n") + "\n")
	}
	b.WriteString(mark + keyStrategy + "=" + strategyOff + "\n")
	return []byte(b.String())
}

// Marked tells whether WithRebootsOff changed a configuration. One that was off before is its operator's.
func Marked(config []byte) bool { return bytes.Contains(config, []byte(mark)) }

// WithRebootsBack undoes WithRebootsOff.
func WithRebootsBack(config []byte) []byte {
	if !Marked(config) {
		return config
	}
	var b strings.Builder
	ours := false
	for line := range strings.Lines(string(config)) {
		_, strategy := strategyOf(line)
		switch was, commented := strings.CutPrefix(line, before); {
		case commented:
			b.WriteString(was)
		case line == mark:
		case ours && strategy:
		default:
			b.WriteString(line)
		}
		ours = line == mark
	}
	return []byte(b.String())
}

// strategyOf a line KEY=value, as systemd reads files of environments: blanks around, quotes, comments with # or ;.
func strategyOf(line string) (string, bool) {
	key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
	if !ok || strings.TrimSpace(key) != keyStrategy {
		return "", false
	}
	return strings.Trim(strings.TrimSpace(value), `"'`), true
}

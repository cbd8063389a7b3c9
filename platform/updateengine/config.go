package updateengine

import "strings"

// Paths and units of the system.
const (
	PathClient   = "/usr/bin/update_engine_client"
	UnitEngine   = "update-engine.service"
	UnitReboots  = "locksmithd.service"
	configFile   = "/update.conf"
	keyStrategy  = "REBOOT_STRATEGY"
	strategyOff  = "off"
	wasBeforeAct = "# before scaleio-agent: "
)

// ConfigPath of a system by its os-release ID.
func ConfigPath(id string) string { return "/etc/" + id + configFile }

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
			b.WriteString(wasBeforeAct)
		}
		b.WriteString(strings.TrimSuffix(line, "\n") + "\n")
	}
	b.WriteString(keyStrategy + "=" + strategyOff + "\n")
	return []byte(b.String())
}

// WithRebootsBack undoes WithRebootsOff.
func WithRebootsBack(config []byte) []byte {
	var b strings.Builder
	var before []string
	for line := range strings.Lines(string(config)) {
		if old, ok := strings.CutPrefix(line, wasBeforeAct); ok {
			before = append(before, old)
			continue
		}
		if value, ok := strategyOf(line); ok && value == strategyOff {
			continue
		}
		b.WriteString(line)
	}
	return []byte(b.String() + strings.Join(before, ""))
}

// strategyOf a line KEY=value, as systemd reads files of environments: blanks around, quotes, comments with # or ;.
func strategyOf(line string) (string, bool) {
	key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
	if !ok || strings.TrimSpace(key) != keyStrategy {
		return "", false
	}
	return strings.Trim(strings.TrimSpace(value), `"'`), true
}

package pkgmgr

import (
	"fmt"
	"path"
	"sort"
	"strings"
)

// writeEnv puts the scripts' environment where only root reads it: D-Bus shows a unit's Environment to every local user. What a killed run left is removed
// first. Without an environment there is no file.
func (t *tool) writeEnv(name string, env map[string]string) (file string, remove func(), err error) {
	if err := Clean(t.files); err != nil {
		return "", nil, err
	}
	if len(env) == 0 {
		return "", func() {}, nil
	}
	text, err := formatEnv(env)
	if err != nil {
		return "", nil, fmt.Errorf("installing %s: %w", name, err)
	}
	if err := t.files.MkdirAll(envDir, 0o700); err != nil {
		return "", nil, fmt.Errorf("installing %s: %w", name, err)
	}
	file = path.Join(envDir, name+".env")
	if err := t.files.Write(file, text, 0o600); err != nil {
		return "", nil, fmt.Errorf("installing %s: %w", name, err)
	}
	return file, func() { _ = t.files.Remove(file) }, nil // if it fails, the next installation removes it
}

// Clean removes environment files that a killed run left: they may hold a secret for as long as the machine runs. A job that runs has read its own.
func Clean(files Files) error {
	left, err := files.Glob(envDir + "/*.env")
	if err != nil {
		return fmt.Errorf("removing old environment files: %w", err)
	}
	for _, file := range left {
		if err := files.Remove(file); err != nil {
			return fmt.Errorf("removing an old environment file: %w", err)
		}
	}
	return nil
}

// secretsOf an environment: what the scripts may print of it must not get into an error, which others read.
func secretsOf(env map[string]string) (secrets []string) {
	for name, value := range env {
		for _, kind := range []string{"PASSWORD", "SECRET", "TOKEN"} {
			if strings.Contains(strings.ToUpper(name), kind) && value != "" {
				secrets = append(secrets, value, "[redacted]")
				break
			}
		}
	}
	return secrets
}

// formatEnv writes systemd.exec(5)'s EnvironmentFile: double quotes, with a backslash before what has a meaning in them.
func formatEnv(env map[string]string) ([]byte, error) {
	names := make([]string, 0, len(env))
	for name, value := range env {
		if !isVariable(name) {
			return nil, fmt.Errorf("%q is no name for an environment variable", name)
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return nil, fmt.Errorf("the value of %s holds a control character", name)
		}
		names = append(names, name)
	}
	sort.Strings(names)
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`")
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, "%s=\"%s\"\n", name, escape.Replace(env[name]))
	}
	return []byte(text.String()), nil
}

func isVariable(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}

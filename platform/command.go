package platform

import "time"

// A Cmd is one program to run: no shell, and nothing of the agent's environment but what is said here (PATH and LC_ALL=C are always set).
type Cmd struct {
	Path    string
	Args    []string // without argv[0]; never a secret
	Env     map[string]string
	Stdin   []byte
	Timeout time.Duration // 0 = one minute
}

// Output of a command that exited with 0.
type Output struct {
	Stdout []byte
	Stderr []byte
}

// PackageState of one installed package.
type PackageState struct {
	Version    string
	Configured bool   // false: unpacked or half-configured, Recover or a new install is needed
	Fault      string // what isn't as it should be, where that is known
}

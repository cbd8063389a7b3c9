package main

import (
	"context"
	"time"

	"scaleio-framework/installer"
	"scaleio-framework/platform"
	"scaleio-framework/systemd"
)

const restorecon = "/usr/sbin/restorecon"

// relabel gives what lies in a folder the SELinux labels of its place: a file made under /opt is usr_t, while PID 1 wants bin_t of what it starts (the policy
// says so of /opt/*/bin). Nil where SELinux doesn't look.
func relabel(facts platform.Facts, files installer.Files, jobs installer.Jobs) func(ctx context.Context, dir string) error {
	if facts.SELinux != "enforcing" && facts.SELinux != "permissive" {
		return nil
	}
	if _, _, err := files.Stat(restorecon); err != nil {
		return nil
	}
	return func(ctx context.Context, dir string) error {
		return jobs.RunJob(ctx, systemd.Job{Name: "scaleio-agent-restorecon", Argv: []string{restorecon, "-F", "-R", dir}, Timeout: time.Minute})
	}
}

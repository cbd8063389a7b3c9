// Package cgroup gives each task of the dev agent a cgroup2 child under the
// agent's own, delegated one, so that whatever a task starts ends with it,
// whether it forks, calls setsid or ignores signals. It enables no controllers:
// systemd could not put a restarted agent into a cgroup whose children have
// some. Used by test/mesos only.
package cgroup

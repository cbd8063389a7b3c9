// Package systemd is the thin hide over PID 1: units over D-Bus, transient jobs, notify and watchdog, reboot through logind, and the unit files that
// we ship. It imports nothing of ours.
package systemd

// Package qmp speaks qemu's machine protocol: JSON over a unix socket, commands with answers, and events in between.
package qmp

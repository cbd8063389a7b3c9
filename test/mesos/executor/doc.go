// Package executor is the command executor of the dev agent: a process of its
// own in the container's cgroup and mount namespace that runs one task, its
// checks and its health check, and tells the agent over a unix socket. It
// survives the agent, and finds it again. Used by test/mesos only.
package executor

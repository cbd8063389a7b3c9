// Package scheduler is the thin brain: it keeps one agent on every matching Mesos agent, decides roles, opens gates, grants leases, and keeps
// what can't be observed elsewhere. It never runs scli, never calls a cloud, never touches a node. Everything that happens goes through one
// loop: apply the event, decide, store, and only then tell.
package scheduler

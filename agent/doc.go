// Package agent is the daemon on every node: it looks and acts through the installer's steps, talks to the scheduler (only ever calling, never
// called), leads the ScaleIO cluster while it holds the lease, and answers the node's health endpoint. The scheduler may be away: the last spec is kept, and
// the node's own repair goes on.
package agent

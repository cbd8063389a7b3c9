// Package installer turns a node's spec into the ordered list of steps that make it true, one file per step. It changes the machine only
// through the seams of System. Who may import it: agent.
package installer

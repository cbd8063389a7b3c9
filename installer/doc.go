// Package installer turns a node's spec into the ordered list of steps that make it true: plan.go is the table, each step has a file of its own, named after
// it. It changes the machine only through the seams of System, and writes an intent before the acts that can't be made safe to repeat by looking alone: forming
// the cluster, handing over a disk, restarting the Mesos agent. Who may import it: agent.
package installer

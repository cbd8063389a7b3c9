// Package volume is the dev agent's docker/volume isolator: what Mesos' own
// does with dvdcli, its checkpoints included. Used by test/mesos only.
package volume

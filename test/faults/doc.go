// Package faults has the one fault injector: a seed decides what befalls a whole cluster, in one goroutine and under virtual time. The scheduler's brain, the agents' steps and the
// leader are the real ones; Mesos, ScaleIO, EC2, disks, network, clocks and store are models that can be killed, paused, cut off, filled up and lied by. README.md says which fault of
// the list is where.
package faults

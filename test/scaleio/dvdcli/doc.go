// Package dvdcli is a stand-in for dvdcli 0.2.1: it asks a Docker volume plugin on this node to create, mount or unmount a volume.
// Mesos' docker/volume isolator calls it.
package dvdcli

// Package sdc is the stand-in ScaleIO data client: the scini daemon, which stands for the kernel module, and drv_cfg, which asks it.
// A mapped volume becomes a block device: a file of a hidden FUSE file system, a loop device over it, and a scini node with the loop
// device's numbers. Reads and writes go straight to the SDSs; the MDM only says where and with which generation.
//
// A module in use can't be unloaded, so the daemon refuses SIGTERM while a volume is mounted and ends with the last user. Its unit needs
// TimeoutStopSec=5 and SendSIGKILL=no: then `systemctl stop scini` fails after 5 s, as the product's does, and the volumes stay served.
package sdc

// Package sdc is the stand-in ScaleIO data client: the scini daemon, which stands for the kernel module, and drv_cfg, which asks it.
// A mapped volume becomes a block device: a file of a hidden FUSE file system, a loop device over it, and a scini node with the loop
// device's numbers. Reads and writes go straight to the SDSs; the MDM only says where and with which generation.
package sdc

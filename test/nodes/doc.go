// Package nodes makes a small cluster of machines on one host: systemd-nspawn
// containers that boot a real systemd, with their own address, machine-id,
// host name and disks (loop devices on sparse images). The demo and the node
// tests use it; nothing of the product does.
//
// A node is a Debian 12 root that presents the os-release of its kind: Ubuntu
// 22.04, Rocky Linux 9 or Flatcar. The packaging tools, systemd and D-Bus in it
// are real, the name on the tin is not. Everything that a cluster makes is found again through its directory
// under /var/lib/scaleio-framework, so that any process may take it down.
package nodes

// Package vm boots one virtual machine at a time in qemu's software emulation, for what a container can't show: a kernel that loads
// modules and is exchanged by a reboot, NVMe disks that come and go, device-mapper and md.
//
// The machine's root is a Debian 12 that presents Ubuntu 22.04's os-release, with two of Debian's kernels; systemd, udev, dpkg and the
// kernels are real. Its scini is a small real module of these tests (folder scini), not the vendor's. qemu loads the kernel itself: what
// boot loaders do, choose the newest kernel in /boot, the harness does. What can be cached lies below /var/cache/scaleio-framework.
package vm

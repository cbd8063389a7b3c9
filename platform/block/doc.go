// Package block sees the disks that this machine's /dev holds, tells them apart by identity and never by a letter, and says why a disk may not be given
// away. It only reads.
package block

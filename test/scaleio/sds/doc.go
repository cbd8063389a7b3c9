// Package sds is the stand-in ScaleIO data server: it keeps chunks of volumes on the devices handed to it and answers the MDM, SDCs
// and other SDSs on port 7072 (package wire). The data really is on the devices, synced before a write is acknowledged. It isn't the
// vendor's software and shares no format with it.
//
// What an MDM can rely on: after set-generation has returned, nobody reads or writes with an older map, restart or not. A slot belongs
// to the volume that wrote it last (write and copy-chunk name one); to any other volume it reads as zeros, and its first write empties it.
// What it relies on: the generation of a volume is raised here before its map changes in a way that makes older writers wrong, which an
// unmapping does as well.
package sds

// Package sds is the stand-in ScaleIO data server: it keeps chunks of volumes on the devices handed to it and answers the MDM, SDCs
// and other SDSs on port 7072 (package wire). The data really is on the devices, synced before a write is acknowledged. It isn't the
// vendor's software and shares no format with it.
package sds

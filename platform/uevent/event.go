package uevent

import (
	"bytes"
	"strings"
)

// An Event as the kernel sends it.
type Event struct {
	Action    string // add, remove, change, online ...
	Device    string // /devices/virtual/block/loop3, below /sys
	Subsystem string // block
	Name      string // loop3: the node in /dev, "" if it has none
	Type      string // disk | partition
}

// parse one message: "ACTION@DEVICE", then KEY=VALUE, each ended by a zero byte. What isn't whole is refused.
func parse(message []byte) (Event, bool) {
	head, rest, ok := bytes.Cut(message, []byte{0})
	action, device, at := strings.Cut(string(head), "@")
	if !ok || !at || action == "" || !strings.HasPrefix(device, "/") { // messages of udev begin with "libudev"
		return Event{}, false
	}
	e := Event{Device: device}
	for len(rest) > 0 {
		var line []byte
		if line, rest, ok = bytes.Cut(rest, []byte{0}); !ok {
			return Event{}, false
		}
		key, value, _ := strings.Cut(string(line), "=") // a value may hold further ones
		switch key {
		case "ACTION":
			e.Action = value
		case "DEVPATH":
			if value != device {
				return Event{}, false
			}
		case "SUBSYSTEM":
			e.Subsystem = value
		case "DEVNAME":
			e.Name = value
		case "DEVTYPE":
			e.Type = value
		}
	}
	return e, e.Action == action && e.Subsystem != ""
}

// Package uevent hears what the kernel says about devices that come, go and change. An event is only a reason to look: the truth is in /sys, and events
// get lost.
package uevent

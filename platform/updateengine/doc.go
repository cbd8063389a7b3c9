// Package updateengine reads and writes what Flatcar and CoreOS Container Linux know of their updates: update_engine writes the other /usr, locksmithd reboots into it.
package updateengine

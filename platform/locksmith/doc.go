// Package locksmith edits the configuration of locksmithd, which reboots Flatcar and CoreOS Container Linux after their updates.
package locksmith

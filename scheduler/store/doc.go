// Package store keeps the few facts that can't be observed elsewhere: one record per key, each an envelope of schema number, checksum and
// JSON. Changes are compare-and-swap and commit together. A record that is newer than this program or damaged is refused with a reason: a
// store is never taken for a fresh one.
package store

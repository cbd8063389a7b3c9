// Package samples holds what the stand-in's scli prints against the product's documented outputs in ../testdata. Only what differs from
// cluster to cluster is left out of the comparison: ids, addresses, numbers, sizes, times, versions, names and paths.
package samples

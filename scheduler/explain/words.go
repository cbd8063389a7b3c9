package explain

import (
	"maps"
	"slices"
)

// Words of a reason. Do is what a person does about it, {node} standing for the node's name; "" = nothing, it goes on by itself.
type Words struct{ Means, Do string }

var tables = []map[string]Words{stepWords, platformWords, installWords, kernelWords, clusterWords, nodeWords, diskWords}

// Reason gives its words. A test of the whole repository sees that each reason in the code has some.
func Reason(reason string) (Words, bool) {
	for _, table := range tables {
		if w, ok := table[reason]; ok {
			return w, true
		}
	}
	return Words{}, false
}

// Reasons that have words.
func Reasons() (all []string) {
	for _, table := range tables {
		all = append(all, slices.Collect(maps.Keys(table))...)
	}
	return all
}

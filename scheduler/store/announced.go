package store

import (
	"context"
	"strings"
)

// Announced tells each write point before and after it: faults are injected there. An error of Reached is what a dying process would leave:
// before a commit nothing is stored, after it everything is and nobody was told.
type Announced struct {
	Store
	Reached func(point string) error
}

// Commit with its two points per kind of record.
func (a Announced) Commit(ctx context.Context, changes ...Change) error {
	for _, point := range points("before:", changes) {
		if err := a.Reached(point); err != nil {
			return err
		}
	}
	if err := a.Store.Commit(ctx, changes...); err != nil {
		return err
	}
	for _, point := range points("after:", changes) {
		if err := a.Reached(point); err != nil {
			return err
		}
	}
	return nil
}

// points names the kinds of the records: what stands before the first slash of the key.
func points(when string, changes []Change) []string {
	var names []string
	seen := map[string]bool{}
	for _, c := range changes {
		kind, _, _ := strings.Cut(c.Key, "/")
		if !seen[kind] {
			seen[kind] = true
			names = append(names, when+kind)
		}
	}
	return names
}

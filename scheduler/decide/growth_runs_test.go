//go:build !race

package decide_test

const (
	yearRuns     = 10_000
	scheduleRuns = 1000
)

//go:build race

package decide_test

const ( // the race detector takes its time
	yearRuns     = 100
	scheduleRuns = 100
)

//go:build race

package decide_test

const yearRuns = 200 // the race detector takes its time

//go:build race

package decide_test

const yearRuns = 100 // the race detector takes its time

//go:build race

package faults_test

const few = 6 // seeds in the quick tests: the race detector makes them slow, and there is one goroutine

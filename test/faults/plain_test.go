//go:build !race

package faults_test

const few = 24 // seeds in the quick tests

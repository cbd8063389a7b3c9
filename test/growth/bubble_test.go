package growth_test

import (
	"testing"
	"testing/synctest"
)

// inBubble measures in a bubble of time, which the testing package gives to tests alone.
func inBubble(b *testing.B, f func(*testing.T)) {
	b.Helper()
	all := func(string, string) (bool, error) { return true, nil }
	bubble := testing.InternalTest{Name: b.Name(), F: func(t *testing.T) { synctest.Test(t, f) }}
	if !testing.RunTests(all, []testing.InternalTest{bubble}) {
		b.FailNow()
	}
}

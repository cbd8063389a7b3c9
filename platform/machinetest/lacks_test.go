package machinetest_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/platform/machinetest"
)

// ending notes how a test would end.
type ending struct {
	testing.TB
	failed, skipped string
}

func (e *ending) Helper()                      {}
func (e *ending) Fatalf(text string, a ...any) { e.failed = fmt.Sprintf(text, a...); panic(e) }
func (e *ending) Skipf(text string, a ...any)  { e.skipped = fmt.Sprintf(text, a...); panic(e) }

func TestLacks(t *testing.T) {
	end := func(ci string) (e *ending) {
		t.Setenv("CI", ci)
		e = &ending{}
		defer func() { assert.Same(t, e, recover()) }()
		machinetest.Lacks(e, "root")
		return e
	}
	laptop := end("")
	assert.Contains(t, laptop.skipped, "root")
	assert.Empty(t, laptop.failed)
	ci := end("true")
	assert.Contains(t, ci.failed, "root")
	assert.Empty(t, ci.skipped)
}

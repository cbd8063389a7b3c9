package platform_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"scaleio-framework/platform"
)

func TestUptime(t *testing.T) {
	before := platform.Uptime()
	assert.Positive(t, before)
	assert.GreaterOrEqual(t, platform.Uptime(), before)
}

package machinetest

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a test gave back itself may be another's when it ends.
func TestLoop_leavesAnothersAlone(t *testing.T) {
	mine, anothers := Image(t, 1<<20), Image(t, 1<<20)
	taken := map[string]bool{}
	t.Run("gives its device back", func(t *testing.T) {
		device := Loop(t, mine, LoopOptions{})
		assert.Equal(t, mine, backing(device))
		require.NoError(t, Detach(device))
		for backing(device) == "" { // the kernel gives the first that is free; another program may be quicker, and then it is that one's
			next, err := attach(anothers, LoopOptions{})
			require.NoError(t, err)
			taken[next] = true
		}
	})
	for device := range taken {
		assert.Equal(t, anothers, backing(device))
		assert.NoError(t, Detach(device))
	}
}

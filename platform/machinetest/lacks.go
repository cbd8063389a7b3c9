package machinetest

import (
	"os"
	"testing"
)

// Lacks ends a test that this machine lacks something for: root, a tool, a part of the kernel. On a laptop it is skipped, and says so. Where CI is set
// nothing may be lacking, and it fails: a test that nobody runs holds nothing.
func Lacks(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("CI lacks what this test needs: %s", what)
	}
	t.Skipf("NOT RUN, this machine lacks what it needs: %s", what)
}

package locksmith_test

import (
	"testing"

	"scaleio-framework/platform/locksmith"
)

// Whatever a person wrote: reboots are off after, and what was off or on before is so again when ours is taken back.
func FuzzConfig(f *testing.F) {
	f.Add([]byte("REBOOT_STRATEGY=reboot\nGROUP=stable"))
	f.Add([]byte("# by scaleio-agent:\nREBOOT_STRATEGY=\"off\"\nREBOOT_STRATEGY = 'best-effort'"))
	f.Fuzz(func(t *testing.T, config []byte) {
		off := locksmith.WithRebootsOff(config)
		if !locksmith.RebootsOff(off) {
			t.Errorf("%q becomes %q, which reboots", config, off)
		}
		if locksmith.Marked(config) {
			return // not a person's
		}
		if back := locksmith.WithRebootsBack(off); locksmith.RebootsOff(back) != locksmith.RebootsOff(config) {
			t.Errorf("%q becomes %q, and then %q", config, off, back)
		}
	})
}

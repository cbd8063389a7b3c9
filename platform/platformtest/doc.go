// Package platformtest holds fakes that keep state: what a test installs, writes or removes stays so, and a second run finds it. Every call can be cut by a
// Hook, before or after its effect, as a killed process would be. Only tests import it.
package platformtest

// Package step is the engine under everything that this software changes: a plan is an ordered list of facts that should be true, and a pass
// looks at all of them, makes the first one true that isn't, looks again, and goes on. It remembers nothing that can be observed, so install,
// resume after a crash, adoption of a half-built node and repair of drift are one piece of code. It knows nothing of ScaleIO.
package step

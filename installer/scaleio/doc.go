// Package scaleio knows the product: its names, paths, ports, limits and error texts, how to ask scli, drv_cfg and the gateway, and how to read
// what they answer. It decides nothing. A parser recognises every line or gives an *UnknownDialectError with the raw text, for on an answer
// that isn't understood nothing may be built. Passwords go to scli through a terminal of their own, never through arguments or environment.
// Who may import it: installer, agent/leader, agent.
package scaleio

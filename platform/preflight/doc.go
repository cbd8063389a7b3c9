// Package preflight looks, before anything is installed, whether machines can work together: each keeps the ports of its coming daemons open for a while and answers
// its peers there, and tries theirs. Nothing of it stays open: the listeners end by themselves.
package preflight

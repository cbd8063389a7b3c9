// Package decide is what the scheduler thinks: pure functions from a snapshot to roles, gates, grants, claims and specs. No I/O, no clock of
// its own, no randomness: the same snapshot gives the same answer. Its caller stores a decision before it tells anyone. Growth looks at a pool's past
// too: State.Growing keeps it, and Grow puts what it decides into State.Ledger.
package decide

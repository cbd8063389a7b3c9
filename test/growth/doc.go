// Package growth has the tests of whole expansions, in one process and without a clock of its own: the real scheduler, the real steps and the real leader buy from
// the stand-in cloud for a ScaleIO system in memory, while everything that can die does, at every gap.
package growth

// Package explain says in words for people who don't know ScaleIO what a node is for, what stands in its way, why, and what to do next. It is pure: it turns what is known
// into text, for the scheduler's `explain` as for the agent's. Of ours it imports scheduler/api alone.
package explain

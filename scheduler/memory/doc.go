// Package memory gives back what a process took for its start: a scheduler that rests for months needs little of it. It imports nothing of ours.
package memory

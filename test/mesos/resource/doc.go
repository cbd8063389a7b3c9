// Package resource reads the texts of an agent's --resources and --attributes
// flags and does the arithmetic that master and agent need: what is free, what
// an offer holds, whether a launch fits. Used by test/mesos only.
package resource

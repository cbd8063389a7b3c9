// Package client speaks to the scheduler: agents over mutual TLS, people with a token. It is small because the agent carries it: standard
// library and scheduler/api alone.
package client

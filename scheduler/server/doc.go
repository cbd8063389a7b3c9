// Package server is the scheduler's one HTTPS port: agents by mutual TLS, people by tokens, probes by nothing. It checks who speaks and how
// much, and passes on; what is decided lies elsewhere.
package server

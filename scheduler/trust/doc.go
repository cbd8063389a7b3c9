// Package trust is who may speak: the cluster's own certificate authority, the certificates of scheduler and nodes, join tokens, and the
// tokens of people. It decides nothing about the cluster and keeps nothing: its caller stores what it makes.
package trust

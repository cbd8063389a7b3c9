// Package cases puts the product on a stand-in cluster (test/nodes with a dev
// Mesos and the dev packages) and holds what comes of it against what was
// promised. The demo and the node tests bring up and judge by the same code.
//
// Import only from test/... .
package cases

// Package zookeeper runs Debian's ZooKeeper, the real one, in ensembles of one or three servers that can be frozen, killed and started again.
package zookeeper

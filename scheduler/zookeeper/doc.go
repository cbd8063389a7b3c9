// Package zookeeper is one session with a ZooKeeper ensemble, as far as the scheduler needs one. It puts right what go-zookeeper leaves to its
// users: every call has a deadline (the library's block while disconnected), addresses are looked up at each connection, a server that
// accepts and says nothing is left for another one in time, the session's length is the one that the ensemble granted, and the log is ours.
package zookeeper

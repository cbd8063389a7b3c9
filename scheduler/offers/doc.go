// Package offers speaks the Mesos v1 scheduler API: one subscription with one master, offers, tasks, acknowledgements and reconciliation. It is the only
// package of the product that imports mesos-go, and takes from it the protobuf types only: its RecordIO reader ends the stream at 4 MiB, or allocates half of its limit up front; its HTTP state machine follows a redirect for
// SUBSCRIBE but not for later calls, gives the subscription up after any failed call, and never notices a silent master (each has its test here).
package offers

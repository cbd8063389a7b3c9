// Package aws is a stand-in for Amazon EC2 as far as EBS volumes go, for tests and the demo. It speaks the real query API (forms in, XML out, signature version 4), so that the
// product's real SDK client talks to it, and it does what callers meet in the field: states that take time, reads that lag, client tokens that mismatch or are burnt, pages, limits,
// throttling and IAM policies that are really evaluated.
//
// In a test:
//
//	cloud := aws.New(aws.Config{})
//	server := httptest.NewServer(cloud)
//	node := cloud.AddInstance(aws.InstanceSpec{Zone: "eu-central-1a"})
//	keys, _ := cloud.Credentials(node.ID) // as the metadata service gives them to the instance
//
// Every wait is a timer, so it also runs in package synctest's bubble behind an in-memory listener. Calls tells what was asked, Volumes what there is, Inject makes a call fail.
//
// An attached volume appears on its machine through a Backend: in memory here (Memory), as a loop device of a systemd node (package loopdisk), as an NVMe disk of a virtual machine
// (package nvmedisk).
//
// Import only from tests and from test/...; nothing of the product imports it.
package aws

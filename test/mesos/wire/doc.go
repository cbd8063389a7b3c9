// Package wire turns the protobuf messages of mesos-go into the JSON that a
// Mesos master reads and writes, and back. mesos-go's own JSON codec refuses
// unknown enum values and reports none of the faults that a real master names
// ("Missing required fields: subscribe.framework_info.user"), so it can't
// play the server's side. Used by test/mesos only.
package wire

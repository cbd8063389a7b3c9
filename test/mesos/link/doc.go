// Package link is what the dev master and the dev agents say to each other:
// JSON lines over one long HTTP answer towards the agent, short posts towards
// the master. It is theirs alone; Mesos itself uses libprocess there. Mesos
// messages inside are protobuf bytes. Used by test/mesos only.
package link

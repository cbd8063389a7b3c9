// Package agent is a stand-in for a Mesos agent: it registers with the dev
// master, keeps its id and its tasks over its own restarts as Mesos does with
// a work_dir, fetches URIs, and runs command tasks for real, each by an
// executor process in a cgroup and a mount namespace of its own. Used by
// test/mesos only.
package agent

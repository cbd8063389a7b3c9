// Package mesos is a stand-in for a Mesos master, for tests and the demo. It
// matches what was recorded from a real one (testdata; the replay test holds it
// against that), not what would be convenient. It says that it is a stand-in in
// /version.
//
// In a test:
//
//	master := mesos.NewMaster(mesos.Config{AllocationInterval: 50 * time.Millisecond})
//	go master.Run(ctx)                            // periodic offers; without it only those made at once
//	server := httptest.NewServer(master.Handler())
//	id := master.AddAgent(mesos.AgentSpec{Hostname: "n1", Attributes: "rack:r1"})
//
// AddAgent's tasks are played by AgentSpec.Tasks (a TaskDriver: Launch and Kill
// get a *SimulatedTask, whose Update method reports states, health and check
// results); without one every task runs at once and ends when killed. Faults:
// RescindOffers, DropStreams, EndStreams, GoSilent, SetLeader, SetRecovering,
// DisconnectAgent, LoseAgent, ReturnAgent, RebootAgent, RemoveAgent,
// RemoveFramework. Counts and Task look inside.
//
// In package synctest's bubble use an in-memory listener: everything here waits
// on timers and channels only.
//
// The programs. dev-mesos-master is this package behind flags: --ip, --port,
// --hostname, --listen (default ip:port), --id, --roles, --credentials (file of
// lines "principal secret"), --leader (answer 307 to it), --heartbeat-interval,
// --allocation-interval, --agent-ping-timeout, --offer-timeout,
// --max-offers-per-event. dev-mesos-agent (package agent) registers with it over
// a protocol of their own (package link) and runs command tasks for real:
// --master host:port, --ip, --hostname, --port, --attributes, --resources,
// --work_dir, --runtime_dir, --isolation, --docker_volume_checkpoint_dir,
// --credential; each also as a file in /etc/mesos-agent or /etc/mesos-slave, the
// master in /etc/mesos/zk too. Its unit needs Delegate=yes, and KillMode=process
// if tasks are to survive it. Operator reads on its port: /state, /flags,
// /health, /containers, /version. SIGUSR1 unregisters it.
//
// Not here, and refused or ignored: custom executors and task groups on dev
// agents, dynamic reservations and volumes, inverse offers, quota, weights,
// maintenance, the operator's event stream and writes other than teardown.
//
// Import only from tests and from test/...; nothing of the product imports it.
package mesos

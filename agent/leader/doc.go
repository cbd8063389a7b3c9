// Package leader makes the objects of the ScaleIO system what the spec says: MDMs, mode, name, domain, pool, fault sets, SDSs, devices, users.
// It runs on the node whose MDM is master and that holds the leader lease, and asks its Guard and the MDM itself before every change. What has to
// be done is computed by pure functions over what was asked for and what was seen; nothing is concluded from a refusal without looking again, and an
// answer that isn't fully recognised stops everything. It never touches the node. Who may import it: agent.
package leader

package explain

// stepWords: what any step can say.
var stepWords = map[string]Words{
	"Satisfied":           {"It is as it should be.", ""},
	"Needed":              {"The agent is about to do this.", ""},
	"Applying":            {"The agent is doing this right now.", ""},
	"Failed":              {"The agent tried, and it went wrong; it tries again by itself, with growing pauses.", "Read the message: it has the tool's own words. If it stays, look at `journalctl -u scaleio-agent` on the node."},
	"Blocked":             {"The agent can't go on by itself here.", "Read the message, mend what it names, then `systemctl reload scaleio-agent` on the node to have it look at once."},
	"Unknown":             {"The agent couldn't see whether this holds, so it does nothing about it.", "Look at `journalctl -u scaleio-agent` on the node if it stays."},
	"RepairLimit":         {"The agent mended this three times within an hour and it was lost again each time: something else on the machine undoes it.", "Find what undoes it (another configuration tool, a person, a cron job), then `systemctl restart scaleio-agent` on the node."},
	"WaitingForStep":      {"Something that comes before it isn't done yet.", "Look at the step that it names."},
	"WaitingForGate":      {"The cluster as a whole isn't so far: other nodes have to get there first.", "`scaleio-scheduler status` says what the cluster waits for."},
	"WaitingForRoles":     {"It isn't decided yet which nodes carry the cluster's managers. That needs three nodes.", "Have at least three nodes (`scaleio-scheduler status` lists them and says what is missing)."},
	"WaitingForCluster":   {"The storage cluster isn't formed yet.", ""},
	"WaitingForScheduler": {"It waits for the scheduler's next word.", ""},
	"WaitingForLeader":    {"It waits for the node that leads, which looks at the storage system for all.", "`scaleio-scheduler status` names the leader; without one, see that two of the three managers run."},
	"WaitingForLease":     {"It may interrupt its work only when no other node does, and while storage is healthy.", ""},
	"WaitingForSecret":    {"The scheduler has yet to send a password that this needs.", ""},
	"WaitingForManifest":  {"The scheduler names no packages for this system yet.", "If it stays, add packages for this operating system to the manifest and start the scheduler again."},
	"WaitingForNode":      {"Another node has to do its part first.", ""},
	"WaitingForSlot":      {"The product allows no more of these in one system.", "Take a node out (`scaleio-scheduler nodes remove NODE`) or leave this one as it is."},
	"WaitingForApproval":  {"An empty disk waits for a person's word before it is used.", "`scaleio-scheduler approve {node} DISK`, with the disk's identity as `status` shows it (or '*' for all)."},
	"Held":                {"Somebody put the brake on: nothing is changed until it is taken off. Storage goes on.", "`scaleio-scheduler release {node}`; if it was held on the node itself, `scaleio-agent release` there."},
	"Settling":            {"What was changed just now needs a moment to show.", ""},
	"ActUnderWay":         {"Something is being done on this node that mustn't be interrupted.", ""},
	"NotLookedYet":        {"It wasn't looked at yet since the agent started.", ""},
	"Starting":            {"A daemon is starting.", ""},
}

package explain

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"scaleio-framework/scheduler/api"
)

var purposes = map[api.Role]string{
	api.RoleManager:    "one of the two managers (MDM): they know where every piece of data is; it also runs a gateway, gives its disks, and can use volumes",
	api.RoleTieBreaker: "the tie-breaker (MDM): it decides which manager goes on if the two lose each other; it also gives its disks, and can use volumes",
	api.RoleData:       "gives its empty disks to the pool (SDS) and can use volumes (SDC)",
	api.RoleClient:     "uses volumes (SDC); it gives no disks",
	api.RoleUndecided:  "not decided yet: roles are given once enough nodes have reported",
}

// Node explains one that the scheduler, or the node's own agent, knows.
func Node(n api.NodeStatus, clusterWaits string) api.Explanation {
	e := api.Explanation{Name: cmp.Or(n.Name, n.Hostname, n.Node), Purpose: purposes[n.Role], State: "not ready"}
	if n.Ready {
		e.State = "Ready: every fact about it holds"
	}
	e.Also = also(n, e.Name)
	where, reason, message := obstacle(n)
	if reason == "" {
		return e
	}
	if n.Ready {
		e.State = "Ready, with something to know"
	}
	e.InTheWay, e.Says = reason, message
	if where != "" && where != reason {
		e.InTheWay = fmt.Sprintf("%s (%s)", where, reason)
	}
	words, known := Reason(reason)
	if !known {
		words.Means = "This version has no words for it: the node is of another version?"
	}
	e.Means = words.Means
	if words.Do != "" {
		e.Do = append(e.Do, strings.ReplaceAll(words.Do, "{node}", e.Name))
	}
	e.Waits = waits(reason, words, clusterWaits)
	return e
}

// obstacle is the first thing that stands in the way: what the scheduler says of the node, else its first step, else any other condition.
func obstacle(n api.NodeStatus) (where, reason, message string) {
	if n.Reason != "" && n.Reason != api.ReasonSatisfied {
		return n.Step, n.Reason, n.Message
	}
	for _, c := range n.Conditions {
		if c.Status != api.True && c.Reason != api.ReasonWaitingForStep {
			return c.Type, c.Reason, c.Message
		}
	}
	for _, c := range n.Conditions {
		if told[c.Type] {
			return c.Type, c.Reason, c.Message
		}
	}
	return "", "", ""
}

// told conditions are true when something is wrong.
var told = map[string]bool{api.ConditionUnsupportedSpec: true, api.ConditionIdentityConflict: true, api.ConditionClockSkew: true, api.ConditionHeld: true, api.ConditionSchedulerAway: true,
	api.ConditionRebootNeeded: true, api.ConditionNotJoined: true, api.ConditionInstanceUnverified: true, api.ConditionInstanceNotice: true}

// others act before these end.
var onOthers = []string{api.ReasonWaitingForGate, "WaitingForRoles", "WaitingForCluster", api.ReasonPeersReached, "WaitingForNode", "WaitingForLeader"}

func waits(reason string, w Words, clusterWaits string) string {
	switch {
	case slices.Contains(onOthers, reason) && clusterWaits != "":
		return "the cluster, which waits for " + clusterWaits
	case slices.Contains(onOthers, reason):
		return "other nodes"
	case reason == "WaitingForLease":
		return "its turn: no other node is interrupted, and storage is healthy"
	case strings.HasPrefix(reason, "WaitingForS"), reason == "WaitingForManifest", reason == "NewSpec":
		return "the scheduler"
	case w.Do != "":
		return "you"
	}
	return "nobody: the agent goes on by itself"
}

// also: other things about it that a person may want to act on.
func also(n api.NodeStatus, name string) (all []string) {
	count := map[string]int{}
	var order []string
	for _, d := range n.Disks {
		if d.State != api.DiskRefused && d.Reason == "" {
			continue
		}
		if d.Reason == "WaitingForApproval" {
			all = append(all, fmt.Sprintf("disk %s (%d GB) is empty and waits for your word: `scaleio-scheduler approve %s %s`", d.ID, d.SizeBytes/1_000_000_000, name, d.ID))
			continue
		}
		if count[d.Reason]++; count[d.Reason] == 1 {
			order = append(order, d.Reason)
		}
	}
	for _, reason := range order {
		w, _ := Reason(reason)
		all = append(all, fmt.Sprintf("%d disk(s) aren't used: %s. %s", count[reason], reason, w.Means))
	}
	for _, c := range n.Conditions {
		if told[c.Type] && c.Type != api.ConditionHeld && c.Type != n.Reason {
			w, _ := Reason(c.Type)
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s: %s %s", c.Type, w.Means, strings.ReplaceAll(w.Do, "{node}", name))))
		}
	}
	if n.Removal != "" {
		all = append(all, "it is on its way out of the cluster: "+string(n.Removal))
	}
	return all
}

// Write it for people.
func Write(out io.Writer, e api.Explanation) error {
	var b strings.Builder
	line := func(what, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-12s %s\n", what, strings.Join(strings.Fields(text), " "))
		}
	}
	line("node", e.Name)
	line("is for", e.Purpose)
	line("state", e.State)
	line("in the way", e.InTheWay)
	line("that means", e.Means)
	line("it says", e.Says)
	for _, do := range e.Do {
		line("do", do)
	}
	line("waits for", e.Waits)
	for _, text := range e.Also {
		line("also", text)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

package scheduler

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
	"scaleio-framework/scheduler/store"
)

// Bounds of an event: a hundred of them are one record, whatever others said that is in them.
const (
	maxEvent       = 950 // bytes, encoded
	maxEventText   = maxMessage - 100
	maxWhy         = 250
	maxWho         = 80
	shownEvents    = 100 // with the status
	itself         = "scaleio-scheduler"
	maxInOneEvent  = 4 // disks that are named; of the others only how many there are
	heedEvery      = time.Second
	maxLoggedFacts = 8
)

// tell people of an event: who, what, why, and the facts that it came from. That of growth isn't mixed with the others, so that it is still there when somebody asks where
// the money went.
func (b *brain) tell(e api.Event) {
	e.Message, e.Why, e.Who = fit(e.Message, maxEventText), fit(e.Why, maxWhy), fit(cmp.Or(e.Who, itself), maxWho)
	b.lastEvent++
	e.Seq = b.lastEvent
	e.Evidence = fitFacts(e)
	b.log.Info("event", "kind", e.Kind, "node", e.Node, "who", e.Who, "message", e.Message, "why", e.Why)
	b.metrics.event(e.Kind)
	kind, story := kindEvents, &b.journal
	if strings.HasPrefix(e.Kind, "Growth") {
		kind, story = kindStory, &b.story
	}
	for _, chapter := range story.add(e) {
		b.touched[kind+chapter] = true
	}
}

// fitFacts keeps as many facts as there is room for in the record, in the order of their names.
func fitFacts(e api.Event) map[string]string {
	facts := e.Evidence
	e.Evidence = nil
	raw, err := json.Marshal(e)
	left := maxEvent - len(raw) - len(`,"evidence":{}`)
	if err != nil || left < 0 {
		return nil
	}
	kept := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(facts)) {
		value := fit(facts[name], 120)
		if left -= len(`"":"",`) + encoded(name) + encoded(value); left < 0 || len(kept) == maxLoggedFacts {
			break
		}
		kept[name] = value
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}

// event of the scheduler's own.
func (b *brain) event(node *decide.Node, kind, format string, a ...any) {
	b.tell(api.Event{Time: b.state.Now.UTC(), Node: nodeName(node), Kind: kind, Message: fmt.Sprintf(format, a...), Evidence: b.facts(node)})
}

// byPerson is an event that a person is behind.
func (b *brain) byPerson(node *decide.Node, kind, who, why, format string, a ...any) {
	b.tell(api.Event{Time: b.state.Now.UTC(), Node: nodeName(node), Kind: kind, Who: cmp.Or(who, "an operator"), Why: why, Message: fmt.Sprintf(format, a...), Evidence: b.facts(node)})
}

// seenBy is an event that a node told of.
func (b *brain) seenBy(node *decide.Node, kind, why, format string, a ...any) {
	b.tell(api.Event{Time: b.state.Now.UTC(), Node: node.Name, Kind: kind, Who: node.Name, Why: why, Message: fmt.Sprintf(format, a...), Evidence: b.facts(node)})
}

// facts as they are now: of the node, or of the cluster.
func (b *brain) facts(n *decide.Node) map[string]string {
	if n == nil {
		return map[string]string{"epoch": fmt.Sprint(b.state.Cluster.Epoch), "nodes": fmt.Sprint(len(b.state.Nodes)), "leader": nodeName(b.state.Nodes[b.state.Leases.Leader])}
	}
	facts := map[string]string{"identity": n.ID, "generation": fmt.Sprint(n.Generation), "role": string(b.state.Role(n))}
	if r := n.Report; r != nil {
		facts["ready"] = fmt.Sprint(r.Ready)
		if r.Step != "" {
			facts["step"] = r.Step
		}
	}
	return facts
}

func nodeName(n *decide.Node) string {
	if n == nil {
		return ""
	}
	return n.Name
}

// once tells of something that goes on: not again while the last event of its kind says the same.
func (b *brain) once(node *decide.Node, kind, format string, a ...any) {
	text := fit(fmt.Sprintf(format, a...), maxEventText)
	for _, e := range slices.Backward(b.journal.events) {
		if e.Kind == kind && e.Node == nodeName(node) {
			if e.Message == text {
				return
			}
			break
		}
	}
	b.event(node, kind, "%s", text)
}

// newest events, at most so many.
func newest(all []api.Event, most int) []api.Event {
	return all[max(0, len(all)-most):]
}

// allEvents that are kept, oldest first.
func (b *brain) allEvents() []api.Event {
	all := slices.Concat(b.journal.events, b.story.events)
	slices.SortStableFunc(all, func(x, y api.Event) int { return cmp.Or(x.Time.Compare(y.Time), cmp.Compare(x.Seq, y.Seq)) })
	return all
}

// Events for people.
func (b *brain) Events(q api.EventQuery) api.EventList {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := api.EventList{Events: []api.Event{}}
	for _, e := range b.allEvents() {
		if q.Takes(e) {
			list.Events = append(list.Events, e)
		}
	}
	return list
}

// inherit the one record in which an earlier version kept all events.
func (b *brain) inherit(rec store.Record) error {
	var old []api.Event
	if err := json.Unmarshal(rec.Value, &old); err != nil {
		return err
	}
	b.touched[keyEvents] = true // to be deleted
	for _, e := range newest(old, perChapter) {
		for _, chapter := range b.journal.add(e) {
			b.touched[kindEvents+chapter] = true
		}
	}
	return nil
}

// countEvents goes on where the last process ended.
func (b *brain) countEvents() {
	for _, e := range b.allEvents() {
		b.lastEvent = max(b.lastEvent, e.Seq)
	}
}

func until(t time.Time) string {
	if t.IsZero() {
		return "until it is released"
	}
	return "until " + t.Format(time.RFC3339)
}

func led(by string) string {
	if by == "" {
		return "nobody leads: nothing changes in the storage system meanwhile"
	}
	return "it leads now"
}

func after(component string) string {
	switch component {
	case "":
		return ""
	case decide.ForReboot:
		return " after its time to reboot"
	}
	return ": its " + component + " was upgraded"
}

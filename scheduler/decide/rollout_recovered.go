package decide

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"scaleio-framework/scheduler/api"
)

// maxRecalled bounds how many kinds of settings nodes are believed to have at a time: those of before, the target, and what a stopped rollout left.
const maxRecalled = 8

// toldBy is what a node's last orders say of settings. Packages and modules it doesn't tell: the manifest has them.
func toldBy(e *Evidence, m memory) NodeSettings {
	spec := e.Spec
	t := NodeSettings{
		Licence: spec.Licence, ModuleMirror: spec.ModuleMirror, BuildModules: spec.BuildModules, AllowUnsupported: spec.AllowUnsupported, Reboots: spec.Reboots, Disks: spec.Disks,
	}
	t.Disks.Approved = nil
	if e.Report.Platform.ClientOnly && spec.Disks.Use == api.DiskUseNone || m.Removal != nil || spec.Remove {
		t.Disks = api.DiskPolicy{} // it gives none, whatever the settings say
	}
	if spec.Agent != nil {
		t.Agent = &api.AgentBinary{URL: spec.Agent.URL, SHA256: spec.Agent.SHA256, ReadyWithinMS: spec.Agent.ReadyWithinMS}
	}
	return t
}

// Resumed says what becomes of the rollout after a recovery: each node has what it remembers, and what the configuration says goes to them in waves, as ever. What nodes get that
// told nothing, and all after an abort, is what more than half remember, or else the configuration's: an agent's URL that a few nodes name is told to no other.
func Resumed(s *State, told map[string]NodeSettings) (Rollout, map[string]Turn, []api.Event) {
	want := s.Settings.forNodes()
	version := want.Version()
	r := Rollout{Number: 1, First: 1, State: RolloutDone, Base: version, Target: version, Begun: s.Now, Versions: map[string]NodeSettings{version: want}}
	kinds := map[string][]string{}
	for id, t := range told {
		kinds[text(t)] = append(kinds[text(t)], id)
	}
	versions, of := map[string]NodeSettings{}, map[string][]string{}
	rare := func(a, b []string) int { // of those that differ in where they fetch from alone, what most name counts
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(text(told[b[0]]), text(told[a[0]])))
	}
	for _, ids := range slices.SortedFunc(maps.Values(kinds), rare) {
		t := told[ids[0]]
		t.Packages, t.Modules = want.Packages, want.Modules
		if t.Disks.Use == "" {
			t.Disks = commonDisks(told, want)
		}
		v := t.Version()
		versions[v], of[v] = t, append(of[v], ids...)
	}
	common := slices.SortedFunc(maps.Keys(versions), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(of[b]), len(of[a])), strings.Compare(a, b))
	})
	if len(common) == 0 || len(common) == 1 && common[0] == version {
		return r, nil, nil
	}
	if most := common[0]; 2*len(of[most]) > len(told) {
		r.Base = most
	}
	r.State = RolloutRunning
	turns := map[string]Turn{}
	for _, v := range common[:min(len(common), maxRecalled)] {
		if v != version {
			r.Versions[v] = versions[v]
		}
		for _, id := range of[v] {
			if v != r.Base {
				turns[id] = Turn{Version: v, Rollout: r.Number}
			}
		}
	}
	r.begin(version)
	return r, turns, []api.Event{{Time: s.Now.UTC(), Kind: "RolloutStarted", Message: fmt.Sprintf("%s goes to the nodes in waves, after what they remember", want.describe(r.Versions[r.Base]))}}
}

// commonDisks is what more than half remember of disks, or else the configuration's.
func commonDisks(told map[string]NodeSettings, want NodeSettings) api.DiskPolicy {
	all, count := map[string]api.DiskPolicy{}, map[string]int{}
	for _, t := range told {
		if t.Disks.Use != "" {
			all[text(t.Disks)] = t.Disks
			count[text(t.Disks)]++
		}
	}
	for key, disks := range all {
		if 2*count[key] > len(told) {
			return disks
		}
	}
	return want.Disks
}

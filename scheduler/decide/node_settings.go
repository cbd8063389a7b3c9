package decide

import (
	"slices"

	"scaleio-framework/scheduler/api"
)

// NodeSettings are what configuration and manifest say to nodes. A change of them reaches the nodes in waves.
type NodeSettings struct {
	Agent            *api.AgentBinary   `json:"agent,omitempty"`
	Licence          bool               `json:"acceptLicense"`
	Packages         []api.Package      `json:"packages,omitempty"`
	Modules          []api.KernelModule `json:"modules,omitempty"`
	ModuleMirror     string             `json:"moduleMirror,omitempty"`
	BuildModules     bool               `json:"buildModules,omitempty"`
	AllowUnsupported bool               `json:"allowUnsupported,omitempty"`
	Reboots          api.RebootPolicy   `json:"reboots,omitempty"`
	Disks            api.DiskPolicy     `json:"disks"`
}

// forNodes takes them out of all settings.
func (set *Settings) forNodes() NodeSettings {
	return NodeSettings{
		Agent: set.Agent, Licence: set.Licence, Packages: set.Packages, Modules: set.Modules, ModuleMirror: set.ModuleMirror,
		BuildModules: set.BuildModules, AllowUnsupported: set.AllowUnsupported, Reboots: set.Reboots, Disks: set.Disks,
	}
}

// Version of them: what they do to a node, not where things are fetched from, since what is fetched is known by its digest.
func (t NodeSettings) Version() string {
	if t.Agent != nil {
		t.Agent = &api.AgentBinary{SHA256: t.Agent.SHA256}
	}
	t.Packages, t.Modules = slices.Clone(t.Packages), slices.Clone(t.Modules)
	for i := range t.Packages {
		t.Packages[i].URL, t.Packages[i].File = "", ""
	}
	for i := range t.Modules {
		t.Modules[i].URL, t.Modules[i].File = "", ""
	}
	return hash(t)
}

// inTurn: a component whose packages are upgraded one node at a time, and in the whole cluster before the next component (upgradeOrder). Waves of nodes would turn
// that order over, and no wave is as careful.
func inTurn(p api.Package) bool { return slices.Contains(upgradeOrder, p.Component) }

// waved is the version of what goes by waves.
func (t NodeSettings) waved() string {
	t.Packages = slices.DeleteFunc(slices.Clone(t.Packages), inTurn)
	return t.Version()
}

// settings that a node is told.
func (s *State) settings(n *Node) NodeSettings {
	r := s.Rollout
	if r == nil {
		told := s.Settings.forNodes()
		told.Agent = nil
		return told
	}
	base, version := r.Versions[r.Base], r.version(n)
	told := r.Versions[version]
	if version != r.Base {
		told.Packages = slices.Concat(slices.DeleteFunc(slices.Clone(told.Packages), inTurn), slices.DeleteFunc(slices.Clone(base.Packages), func(p api.Package) bool { return !inTurn(p) }))
	}
	if next := r.Versions[r.Target].Agent; next != nil && !r.failed(n) && binary(n) != nil && binary(n).SHA256 == next.SHA256 {
		told.Agent = next // its task brought it: a node that is new, or whose daemon was down
	}
	if told.Agent != nil {
		agent := *told.Agent
		if next := r.Versions[r.Target].Agent; next != nil && next.SHA256 == agent.SHA256 {
			agent.Attempt = r.Attempt
		}
		told.Agent = &agent
	}
	return told
}

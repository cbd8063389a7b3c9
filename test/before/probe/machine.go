package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer"
	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

const systemID = "1a2b3c4d5e6f7081"

// machine has everything that its role needs at once. The ScaleIO system that it belongs to is a folder of all of them: `master` names the node whose MDM is master, `whole` is there
// once that one has made the others members.
type machine struct {
	node, address, system string
	steps                 *installer.Installer // the plan is the real one
	looked                atomic.Int64
}

func newMachine(node, address, system string) *machine {
	return &machine{node: node, address: address, system: system, steps: (&installertest.Product{}).NewNode(node, address).Installer()}
}

// looks again at a signal, and finds something to report, so that nobody waits for a poll.
func (m *machine) looks(ctx context.Context, again func()) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked:
			m.looked.Add(1)
			again()
		}
	}
}

// holds is a step whose fact is so.
type holds struct {
	step.Watched
	name   string
	looked int64
}

func (h holds) Name() string { return h.name }
func (h holds) Check(context.Context) (step.Finding, error) {
	return step.Finding{Verdict: step.Satisfied, Reason: fmt.Sprint("SeenTimes", h.looked), Message: "it is so"}, nil
}

// Plan of the spec.
func (m *machine) Plan(in installer.Input) (step.Plan, error) {
	plan, err := m.steps.Plan(in)
	for i := range plan {
		plan[i].Step = holds{name: plan[i].Step.Name(), looked: m.looked.Load()}
	}
	return plan, err
}

// Observe what there is.
func (m *machine) Observe(_ context.Context, in installer.Input) installer.Observation {
	seen := installer.Observation{Addresses: []string{m.address},
		Platform: api.Platform{OS: "ubuntu22.04", Kernel: "5.15.0-122-generic", Arch: "amd64", Supported: true}}
	if !in.Spec.Role.MDM() {
		return seen
	}
	if f := in.Spec.Formation; f != nil && f.Node == m.node && !in.Secrets.Admin.Empty() && m.master() == "" {
		m.write("master", m.node)
	}
	_, err := os.Stat(filepath.Join(m.system, "whole"))
	seen.MDM = &api.MDMView{Installed: true, Master: m.master() == m.node, CertificatePEM: "certificate of the MDM of " + m.node}
	if seen.MDM.InCluster = seen.MDM.Master || err == nil; seen.MDM.InCluster {
		seen.MDM.SystemID = systemID
		if in.Spec.Role == api.RoleManager {
			seen.Gateway = &api.Gateway{Node: m.node, Address: m.address + ":443", CertificatePEM: "certificate of " + m.node}
		}
	}
	return seen
}

func (m *machine) master() string {
	name, err := os.ReadFile(filepath.Join(m.system, "master"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		panic(err)
	}
	return string(name)
}

func (m *machine) write(name, text string) {
	if err := os.WriteFile(filepath.Join(m.system, name), []byte(text), 0o600); err != nil {
		panic(err)
	}
}

// Glance at what changes between passes: nothing.
func (m *machine) Glance(context.Context, installer.Input) string { return "" }

// DiskSeen of no disk.
func (m *machine) DiskSeen(string) (api.Disk, bool) { return api.Disk{}, false }

// DisksSettled tells of none.
func (m *machine) DisksSettled([]string) {}

// leading is the leader's part of a machine.
type leading struct{ *machine }

// Plan of a leader who finds everything done.
func (l leading) Plan(leader.Input) step.Plan { return nil }

// View of the whole cluster as it was wanted.
func (l leading) View(_ context.Context, in leader.Input) (*api.ClusterView, error) {
	if l.master() != l.node {
		return nil, leader.ErrNotLeading
	}
	l.write("whole", "")
	want := in.Spec.Cluster
	v := &api.ClusterView{SystemID: systemID, SystemName: "scaleio", Mode: "3_node", State: "Normal", Master: in.Spec.Name, FaultSets: want.FaultSets,
		PoolReady: want.StoragePool != "" && len(want.Gateways) == 2, Pool: &api.PoolView{ID: "8a2b3c4d00000000", SparePercent: want.SparePercent}}
	for i, mdm := range in.Spec.MDMs {
		role := "slave"
		switch {
		case mdm.Node == l.node:
			role = "master"
		case mdm.Role == api.RoleTieBreaker:
			role = "tie-breaker"
		}
		v.Members = append(v.Members, api.MDMMember{Name: mdm.Name, ID: fmt.Sprintf("3c4d5e6f0000000%d", i), Role: role, IPs: mdm.IPs, Status: "Normal"})
	}
	for i, sds := range want.SDSs {
		v.SDSs = append(v.SDSs, api.SDSView{ID: fmt.Sprintf("7a1000000000000%d", i), Name: sds.Name, IPs: slices.Clone(sds.IPs), FaultSet: sds.FaultSet, Connection: "Connected", Membership: "Joined"})
	}
	return v, nil
}

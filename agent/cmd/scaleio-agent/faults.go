package main

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"scaleio-framework/agent/leader"
	"scaleio-framework/installer"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// envDieAt names a file of points; tests prove with it that every act may be cut before and after its effect.
const envDieAt = "SCALEIO_AGENT_DIE_AT"

// dieAt kills this process, as a power cut would, when it reaches a point that the file lists. The point is taken from the list first, so that each is died at once.
// The node's acts and the leader's take turns then: a death at a point of one would cut the other in the middle, and its effect could stand without its second point
// ever being reached.
func dieAt(file string) func(string) {
	if file == "" {
		return nil
	}
	var turn sync.Mutex
	return func(point string) {
		if strings.HasPrefix(point, step.PointApply) {
			turn.Lock()
		} else {
			defer turn.Unlock()
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			return // no list, nothing to die at
		}
		points := strings.Fields(string(raw))
		i := slices.Index(points, point)
		if i < 0 {
			return
		}
		if err := os.WriteFile(file, []byte(strings.Join(slices.Delete(points, i, i+1), "\n")), 0o600); err == nil {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}
}

// pointsCommand lists them: what every node of a role passes, or what one node passes for the whole cluster.
func pointsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "points " + strings.Join(pointLists, "|"), Hidden: true, Args: cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs), ValidArgs: pointLists,
		Short: "List the points at which an act begins and ends",
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := points(args[0])
			for _, p := range list {
				fmt.Fprintln(cmd.OutOrStdout(), p)
			}
			return err
		},
	}
}

// ofCluster are the points of what one node does for all: it forms the cluster, it leads.
const ofCluster = "cluster"

var pointLists = []string{string(api.RoleManager), string(api.RoleTieBreaker), string(api.RoleData), ofCluster}

func points(of string) ([]string, error) {
	const node = "node"
	quiet := slog.New(slog.DiscardHandler)
	facts := platform.Facts{OS: "ubuntu22.04", ID: "ubuntu", VersionID: "22.04", Family: platform.FamilyDeb, Tool: "apt-get", Arch: "amd64", Systemd: true, MachineID: node,
		Container: "systemd-nspawn"} // what the tests that kill run in; what only a machine with a kernel of its own does has its tests in virtual machines
	steps := installer.New(system(facts, quiet, nil), installer.Options{Log: quiet})
	spec := api.NodeSpec{Node: node, Role: api.Role(of), Formation: &api.Formation{Node: node}, Preflight: &api.Preflight{}, Cluster: &api.ClusterSpec{}}
	if of == ofCluster {
		spec.Role = api.RoleManager // who may form and lead
	}
	plan, err := steps.Plan(installer.Input{Spec: spec, Leases: noLeases{}})
	if err != nil {
		return nil, err
	}
	plan = slices.DeleteFunc(plan, func(item step.Item) bool { return item.Once != (of == ofCluster) })
	if of == ofCluster {
		plan = append(plan, leader.New(nil, nil, quiet).Plan(leader.Input{Spec: spec})...)
	}
	return plan.Points(), nil
}

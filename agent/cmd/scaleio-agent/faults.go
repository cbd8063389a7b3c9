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
	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// envDieAt names a file of points; tests prove with it that every act may be cut before and after its effect.
const envDieAt = "SCALEIO_AGENT_DIE_AT"

// dieAt kills this process, as a power cut would, when it reaches a point that the file lists. The point is taken from the list first, so that each is died at once.
func dieAt(file string) func(string) {
	if file == "" {
		return nil
	}
	var mu sync.Mutex
	return func(point string) {
		mu.Lock()
		defer mu.Unlock()
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

// pointsCommand lists them: of every role's plan and of the leader's.
func pointsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "points", Hidden: true, Args: cobra.NoArgs, Short: "List the points at which an act begins and ends",
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := points()
			for _, p := range all {
				fmt.Fprintln(cmd.OutOrStdout(), p)
			}
			return err
		},
	}
}

func points() ([]string, error) {
	const node = "node"
	quiet := slog.New(slog.DiscardHandler)
	facts := platform.Facts{OS: "ubuntu22.04", ID: "ubuntu", VersionID: "22.04", Family: platform.FamilyDeb, Tool: "apt-get", Arch: "amd64", Systemd: true, MachineID: node}
	steps := installer.New(system(facts, quiet), installer.Options{Log: quiet})
	spec := api.NodeSpec{Node: node, Formation: &api.Formation{Node: node}, Cluster: &api.ClusterSpec{}}
	var all []string
	for _, role := range []api.Role{api.RoleManager, api.RoleTieBreaker, api.RoleData, api.RoleClient} {
		spec.Role = role
		plan, err := steps.Plan(installer.Input{Spec: spec, Leases: noLeases{}})
		if err != nil {
			return nil, err
		}
		all = append(all, plan.Points()...)
	}
	all = append(all, leader.New(nil, nil, quiet).Plan(leader.Input{Spec: spec}).Points()...)
	slices.Sort(all)
	return slices.Compact(all), nil
}

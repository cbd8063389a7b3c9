package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"scaleio-framework/test/cases"
	"scaleio-framework/test/nodes"
)

const gib = 1 << 30

// summary tells what stands, how to look at it, and how to end it.
func summary(ctx context.Context, stand *cases.Stand, took time.Duration) error {
	status, err := stand.Status(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("\nReady: %d nodes in %v.\n\n", len(status.Nodes), took.Round(time.Second))
	if view := status.Storage; view != nil && view.Pool != nil {
		fmt.Printf("  cluster    %s, %s, %s, system id %s\n", status.Name, view.Mode, view.State, view.SystemID)
		fmt.Printf("  capacity   %d GiB raw, %d %% of it spare; as every volume is kept twice, %d GiB for volumes\n",
			view.Pool.RawBytes/gib, view.Pool.SparePercent, view.Pool.FreeBytes/gib/2)
	}
	fmt.Printf(`  scheduler  %s
  Mesos      %s

What to try:
  build/scaleio-scheduler status            the cluster; --json, --watch
  build/scaleio-scheduler plan              what it would do next, and what it would buy
  build/scaleio-scheduler events            how it grew: who, what, why, at what cost
  build/scaleio-agent detect                what an agent would see on this machine (changes nothing)
  build/demo shell n1                       a shell on a node; try scaleio-agent status, scli --query_cluster
  build/demo stop n2; build/demo start n2   take a node away and bring it back

%sMesos, ScaleIO and the cloud are stand-ins here, made for tests; systemd, D-Bus, dpkg, rpm and dnf, disks and the two programs are real.
To end it: make demo-down
`, schedulerURL, mesosURL, kindsLine(stand.Nodes()))
	return nil
}

// kindsLine says what the nodes of a mixed cluster are, and what was set for it.
func kindsLine(all []*nodes.Node) string {
	var names []string
	mixed, unsupported := false, false
	for _, node := range all {
		names = append(names, node.Name+" "+string(node.Kind))
		mixed = mixed || node.Kind != nodes.Ubuntu
		unsupported = unsupported || node.Kind == nodes.Flatcar
	}
	if !mixed {
		return ""
	}
	line := "Nodes: " + strings.Join(names, ", ") + ": Debian roots that present the os-release of these systems, with the package tools that those have.\n"
	if unsupported {
		line += "allow-unsupported is set: the vendor supports Flatcar for clients only, and here it carries an SDS and the tie-breaker too.\n"
	}
	return line
}

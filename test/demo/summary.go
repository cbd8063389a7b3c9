package main

import (
	"context"
	"fmt"
	"time"

	"scaleio-framework/test/cases"
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
  build/scaleio-scheduler plan              what it would do next
  build/scaleio-agent detect                what an agent would see on this machine (changes nothing)
  build/demo shell n1                       a shell on a node; try scaleio-agent status, scli --query_cluster
  build/demo stop n2; build/demo start n2   take a node away and bring it back

Mesos and ScaleIO are stand-ins here, made for tests; systemd, D-Bus, dpkg, rpm and dnf, disks and the two programs are real.
To end it: make demo-down
`, schedulerURL, mesosURL)
	return nil
}

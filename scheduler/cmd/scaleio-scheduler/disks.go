package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/scheduler/decide"
)

// mostDisks that a person reads below the nodes; --json has all.
const mostDisks = 40

// disks in short: how many are in the pool, on their way, waiting for a person, refused.
func disks(all []api.Disk) string {
	var in, coming, approve, refused int
	for _, d := range all {
		switch {
		case d.State == api.DiskAdopted || d.State == api.DiskAdded:
			in++
		case d.Reason == decide.ReasonWaitingForApproval:
			approve++
		case d.State == api.DiskRefused:
			refused++
		default:
			coming++
		}
	}
	text := fmt.Sprintf("%d in, %d coming, %d refused", in, coming, refused)
	if approve > 0 {
		text += fmt.Sprintf(", %d to approve", approve)
	}
	return text
}

// outside lists the disks that aren't in the pool, with their identity, which `approve` takes, and why: first those that wait for a person.
func outside(out io.Writer, nodes []api.NodeStatus) {
	type line struct {
		node string
		disk api.Disk
	}
	var waiting, others []line
	for _, n := range nodes {
		for _, d := range n.Disks {
			switch {
			case d.Reason == decide.ReasonWaitingForApproval:
				waiting = append(waiting, line{n.Name, d})
			case d.State != api.DiskAdopted && d.State != api.DiskAdded:
				others = append(others, line{n.Name, d})
			}
		}
	}
	all := slices.Concat(waiting, others)
	if len(all) == 0 {
		return
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 2, 8, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tNOT IN THE POOL\tIDENTITY\tSIZE\tWHY")
	for _, l := range all[:min(len(all), mostDisks)] {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d GB\t%s\n", l.node, l.disk.Path, l.disk.ID, l.disk.SizeBytes>>30, cmp.Or(oneLine(l.disk.Reason), string(l.disk.State)))
	}
	_ = w.Flush() // standard output
	if more := len(all) - mostDisks; more > 0 {
		fmt.Fprintf(out, "... and %d more: --json shows all\n", more)
	}
}

package scli

import (
	"fmt"
	"strings"

	"scaleio-framework/test/scaleio/mgmt"
)

// queryCluster needs no login and answers from any member, but takes one address only.
func (r *run) queryCluster() error {
	if err := r.single(strings.Join(r.hosts(), ",")); err != nil {
		return err
	}
	var c mgmt.Cluster
	if err := r.call(mgmt.CmdQueryCluster, nil, &c); err != nil {
		return err
	}
	r.printCluster(c)
	return nil
}

func (r *run) printCluster(c mgmt.Cluster) {
	name, state := "", "Normal"
	if c.SystemName != "" {
		name = "Name: " + c.SystemName + ", "
	}
	if c.Degraded {
		state = "Degraded"
	}
	r.print("Cluster:\n    %sMode: %d_node, State: %s, Active: %d/%d, Replicas: %d/%d", name, c.Nodes, state, c.Active, c.Nodes, c.Replicas, c.WantedReplicas)
	r.print("    SDC refresh with MDM IP addresses: disabled\n    Virtual IP Addresses: %s", orNA(c.VirtualIPs))
	for _, section := range []struct{ kind, title string }{{mgmt.Master, "Master MDM"}, {mgmt.Slave, "Slave MDMs"}, {mgmt.TieBreaker, "Tie-Breakers"}, {mgmt.Standby, "Standby MDMs"}} {
		title := section.title + ":\n"
		for _, m := range c.Members {
			if m.Kind == section.kind {
				fmt.Fprint(r.Stdout, title)
				title = ""
				r.printMember(m)
			}
		}
	}
}

func (r *run) printMember(m mgmt.Member) {
	line := "    "
	if m.Name != "" {
		line += "Name: " + m.Name + ", "
	}
	line += "ID: 0x" + m.ID
	if m.Kind == mgmt.Standby {
		line += map[bool]string{true: ", Manager", false: ", Tie Breaker"}[m.Manager]
	}
	r.print("%s", line)
	if m.Manager {
		management := m.ManagementIPs
		if len(management) == 0 {
			management = m.IPs
		}
		r.print("        IP Addresses: %s, Management IP Addresses: %s, Port: %d, Virtual IP interfaces: %s",
			strings.Join(m.IPs, ", "), strings.Join(management, ", "), m.Port, orNA(m.VirtualInterfaces))
	} else {
		r.print("        IP Addresses: %s, Port: %d", strings.Join(m.IPs, ", "), m.Port)
	}
	if m.Kind != mgmt.Standby {
		version := mgmt.Version
		if m.Status == "Disconnected" {
			version = "N/A"
		}
		r.print("        Status: %s, Version: %s", m.Status, version)
	}
}

func orNA(list []string) string {
	if len(list) == 0 {
		return "N/A"
	}
	return strings.Join(list, ", ")
}

package offers

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"scaleio-framework/scheduler"
)

type resourceJSON struct {
	Name         string                  `json:"name"`
	Scalar       struct{ Value float64 } `json:"scalar"`
	Role         string                  `json:"role"`
	Reservations []struct {
		Role string `json:"role"`
	} `json:"reservations"`
}

type agentsAnswer struct {
	GetAgents struct {
		Agents []struct {
			Active      bool           `json:"active"`
			Deactivated bool           `json:"deactivated"`
			DrainInfo   map[string]any `json:"drain_info"`
			PID         string         `json:"pid"` // "slave(1)@10.0.0.1:5051"
			AgentInfo   struct {
				ID         struct{ Value string } `json:"id"`
				Hostname   string                 `json:"hostname"`
				Attributes []struct {
					Name   string                   `json:"name"`
					Text   *struct{ Value string }  `json:"text"`
					Scalar *struct{ Value float64 } `json:"scalar"`
				} `json:"attributes"`
			} `json:"agent_info"`
			Total     []resourceJSON `json:"total_resources"`
			Allocated []resourceJSON `json:"allocated_resources"`
		} `json:"agents"`
	} `json:"get_agents"`
}

// Agents asks the leading master's operator API which agents it knows, and what they have left for us. Only people's questions lead here.
func (d *Driver) Agents(ctx context.Context) ([]scheduler.KnownAgent, error) {
	var answer agentsAnswer
	var err error
	for range 2 * len(d.Masters) {
		if err = d.operator(ctx, `{"type":"GET_AGENTS"}`, &answer); err == nil {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("asking Mesos for its agents: %w", err)
	}
	return answer.known(), nil
}

func (answer agentsAnswer) known() (known []scheduler.KnownAgent) {
	for _, a := range answer.GetAgents.Agents {
		k := scheduler.KnownAgent{ID: a.AgentInfo.ID.Value, Hostname: a.AgentInfo.Hostname, IP: ipOf(a.PID), Active: a.Active, Draining: a.Deactivated || len(a.DrainInfo) > 0, Attributes: map[string]string{}}
		for _, at := range a.AgentInfo.Attributes {
			switch {
			case at.Text != nil:
				k.Attributes[at.Name] = at.Text.Value
			case at.Scalar != nil:
				k.Attributes[at.Name] = strconv.FormatFloat(at.Scalar.Value, 'g', -1, 64)
			}
		}
		add := func(all []resourceJSON, sign float64) {
			for _, r := range all {
				if reserved(r) != "" && reserved(r) != "*" {
					k.Reserved = true
					continue
				}
				switch r.Name {
				case "cpus":
					k.FreeCPUs += sign * r.Scalar.Value
				case "mem":
					k.FreeMemMB += sign * r.Scalar.Value
				}
			}
		}
		add(a.Total, 1)
		add(a.Allocated, -1)
		known = append(known, k)
	}
	return known
}

// reserved for which role; "" = for none.
func reserved(r resourceJSON) string {
	if n := len(r.Reservations); n > 0 {
		return r.Reservations[n-1].Role
	}
	return r.Role
}

func ipOf(pid string) string {
	_, address, _ := strings.Cut(pid, "@")
	if ap, err := netip.ParseAddrPort(address); err == nil {
		return ap.Addr().String()
	}
	return ""
}

package agent

import (
	"errors"
	"fmt"

	"scaleio-framework/platform"
	"scaleio-framework/scheduler/api"
)

// Identify says who this node is: its machine-id (an EC2 instance id comes first where there is one). Hostnames and Mesos agent ids change hands and are for people only.
func Identify(facts platform.Facts) (api.Identity, error) {
	if facts.MachineID == "" {
		return api.Identity{}, errors.New("this machine has no machine-id (/etc/machine-id is empty): run `systemd-machine-id-setup`")
	}
	if len(facts.MachineID) != 32 {
		return api.Identity{}, fmt.Errorf("reading /etc/machine-id: %q is not 32 hexadecimal digits", facts.MachineID)
	}
	return api.Identity{ID: facts.MachineID, Hostname: facts.Hostname}, nil
}

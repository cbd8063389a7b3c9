package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"scaleio-framework/installer"
	"scaleio-framework/platform"
	"scaleio-framework/platform/aws"
	"scaleio-framework/scheduler/api"
)

// How long a machine that is to get its first identity waits for the metadata service. Firmware of most instances says it without.
const (
	firstLook      = 20 * time.Second
	firstLookAgain = 2 * time.Second
)

// Identify says who this node is: as its state says, or else, on its first start, by its EC2 instance id, or else by its machine-id. What it begins as it stays:
// the scheduler knows it by that name, and so do certificate and ledger. State made under another machine-id is a copy's: it counts for nothing (remember lets it
// go), and neither does the instance that was verified then. Images take a machine-id with them, an instance id never; hostnames and Mesos agent ids change hands
// and are for people only.
func Identify(ctx context.Context, facts platform.Facts, files installer.Files, cloud Cloud, log *slog.Logger) (api.Identity, error) {
	if facts.MachineID == "" {
		return api.Identity{}, errors.New("this machine has no machine-id (/etc/machine-id is empty): run `systemd-machine-id-setup`")
	}
	if len(facts.MachineID) != 32 {
		return api.Identity{}, fmt.Errorf("reading /etc/machine-id: %q is not 32 hexadecimal digits", facts.MachineID)
	}
	kept, err := recall(files)
	if err != nil {
		return api.Identity{}, err
	}
	id := kept.node(&Keys{files: files}, facts.MachineID)
	copied := id != "" && !aws.IsInstanceID(id) && id != facts.MachineID
	if cloud != nil {
		if copied {
			if err := cloud.Forget(); err != nil {
				return api.Identity{}, fmt.Errorf("letting go which instance node %s was: %w", id, err)
			}
		}
		cloud.Look(ctx) // a copy is to be told before it speaks for the machine that it was made of
	}
	if id == "" || copied {
		id = firstIdentity(ctx, facts, cloud, log)
	}
	return api.Identity{ID: id, Hostname: facts.Hostname}, nil
}

// node that the state speaks of; "" = none. Agents that didn't write it took the machine-id.
func (st remembered) node(keys *Keys, machineID string) string {
	switch {
	case st.Node != "":
		return st.Node
	case st.Spec != nil:
		return st.Spec.Node
	case st.AgentUUID == "":
		return ""
	}
	if pair, err := keys.Certificate(); err == nil {
		return pair.Leaf.Subject.CommonName
	}
	return machineID
}

func firstIdentity(ctx context.Context, facts platform.Facts, cloud Cloud, log *slog.Logger) string {
	if cloud == nil {
		return facts.MachineID
	}
	if id := cloud.Firmware(); id != "" {
		return id
	}
	ctx, cancel := context.WithTimeout(ctx, firstLook)
	defer cancel()
	again := time.NewTicker(firstLookAgain)
	defer again.Stop()
	for {
		known := cloud.Look(ctx)
		if known.Verified {
			return known.Instance.ID
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			log.Warn("the metadata service doesn't say which instance this is: this node is known by its machine-id from now on", "reason", known.Reason, "err", known.Message)
			return facts.MachineID
		}
	}
}

// outsideEC2 says that this node is an instance's by its state, and that nothing on this machine shows that it is one; "" = it isn't so. It goes on with what it
// has, and reaches no cloud.
func (a *Agent) outsideEC2() string {
	if a.Cloud != nil || !aws.IsInstanceID(a.Identity.ID) {
		return ""
	}
	return fmt.Sprintf("this node is known as instance %s, and this machine's firmware doesn't say that it is one (`scaleio-agent detect` shows what it says): nothing is bought for it. "+
		"If it is one, set metadataEndpoint; if %s came with an image or a volume, stop this agent"+toBeANewNode, a.Identity.ID, stateFile)
}

// toBeANewNode is what a person does where the machine is another one. What else lies in StateDir is needed: it shows that the SDC's GUID is a copy too.
const toBeANewNode = ". To let this machine join as a new node, remove state.json, instance.json, node.key and node.crt in " + StateDir + " and restart the agent"

// notItself says why this machine isn't the node whose state it has. It then does nothing as that node: no act, no report.
func (a *Agent) notItself() (why string, is bool) {
	if a.Cloud == nil {
		return "", false
	}
	known, id := a.Cloud.Known(), a.Identity.ID
	if known.Reason == aws.ReasonInstanceChanged {
		return known.Message + toBeANewNode, true
	}
	seen := a.Cloud.Firmware()
	if seen == "" && known.Verified {
		seen = known.Instance.ID
	}
	if seen != "" && aws.IsInstanceID(id) && seen != id {
		return fmt.Sprintf("this is instance %s, and %s was made on %s: it was copied with an image or a volume"+toBeANewNode, seen, stateFile, id), true
	}
	return "", false
}

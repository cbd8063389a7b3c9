package installer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"scaleio-framework/installer/step"
	"scaleio-framework/scheduler/api"
)

// storageServed is the fact that this node's SDS serves its disks, as the leader sees it: data nodes ask neither scli nor the gateway.
type storageServed struct {
	step.Watched // what is missing, the leader mends
	*orders
}

func serveStorage(o *orders) step.Step { return storageServed{orders: o} }

func (storageServed) Name() string { return "serve-storage" }

// viewTTL is how old the leader's view may be.
const viewTTL = 10 * time.Minute

func (s storageServed) Check(ctx context.Context) (step.Finding, error) {
	disks, err := s.survey.look(ctx, s.orders)
	if err != nil {
		return step.Finding{}, err
	}
	giving := 0
	for _, d := range disks {
		if d.State != api.DiskRefused {
			giving++
		}
	}
	known := s.Storage != nil && s.Storage.SDS != nil
	switch {
	case giving == 0 && !known:
		return step.OK("no disk to give: %s", summary(disks)), nil
	case s.Storage == nil:
		return step.Wait("WaitingForLeader", "no leader has told yet what it sees of this node"), nil
	case time.Duration(s.Storage.AgeMS)*time.Millisecond > viewTTL:
		return step.Finding{Verdict: step.Unknown, Reason: "OldView", Message: fmt.Sprintf("the leader's last view is %s old", (time.Duration(s.Storage.AgeMS) * time.Millisecond).Round(time.Second))}, nil
	case !known:
		return step.Wait("WaitingForLeader", "the leader has yet to add this node's SDS"), nil
	}
	return sdsServes(*s.Storage), nil
}

func sdsServes(view api.StorageView) step.Finding {
	sds := *view.SDS
	var bad []string
	for _, d := range sds.Devices {
		if d.State != "Normal" {
			bad = append(bad, fmt.Sprintf("%s (%s) is %s", d.Path, d.ID, d.State))
		}
	}
	switch {
	case sds.InMaint && view.Ours:
		return step.Wait("InService", "SDS %s is in maintenance for this node's reboot; the leader ends it once the node is back", sds.Name)
	case sds.InMaint:
		return step.Block("InMaintenance", "a person put SDS %s into maintenance mode; it is left alone until that ends", sds.Name)
	case sds.Connection != "Connected":
		return step.Wait("NotConnected", "the MDM sees SDS %s as %s", sds.Name, sds.Connection)
	case sds.Membership != "Joined":
		return step.Wait("NotJoined", "the MDM sees SDS %s as %s", sds.Name, sds.Membership)
	case len(bad) > 0:
		return step.Wait("DeviceNotNormal", "%s", strings.Join(bad, "; "))
	}
	return step.OK("SDS %s is connected and joined, %d devices are Normal", sds.Name, len(sds.Devices))
}

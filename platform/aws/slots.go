package aws

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// xenVolumes is what Linux takes on instances before Nitro; their types say no number.
const xenVolumes = 39

// room that an instance type has.
type room struct {
	volumes int
	shared  bool // with network interfaces and NVMe instance store
	stores  int
}

// Slots that this instance has. Some types share them with network interfaces and instance store; of the interfaces the first is taken off already.
func (e *EC2) Slots(ctx context.Context) (Slots, error) {
	self, err := e.self(ctx, "DescribeInstanceTypes")
	if err != nil {
		return Slots{}, err
	}
	room, err := e.roomOf(ctx, self.Type)
	if err != nil {
		return Slots{}, err
	}
	attached, err := e.attachedHere(ctx)
	if err != nil {
		return Slots{}, err
	}
	e.names.learn(attached, self.ID)
	slots := Slots{Max: room.volumes, Used: len(attached)}
	for _, v := range attached {
		slots.Attached = append(slots.Attached, v.ID)
	}
	if room.shared && room.volumes > 0 {
		interfaces, err := e.Metadata.Interfaces(ctx)
		if err != nil {
			return Slots{}, err
		}
		slots.Max = max(0, room.volumes-room.stores-max(0, interfaces-1))
	}
	return slots, nil
}

func (e *EC2) roomOf(ctx context.Context, instanceType string) (room, error) {
	e.mu.Lock()
	known, ok := e.room[instanceType]
	e.mu.Unlock()
	if ok {
		return known, nil
	}
	out, err := ask(ctx, e, "DescribeInstanceTypes", e.reads, (*ec2.Client).DescribeInstanceTypes,
		&ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{types.InstanceType(instanceType)}})
	if err != nil {
		return room{}, err
	}
	var found room
	for _, t := range out.InstanceTypes {
		found = roomFor(t)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.room[instanceType] = found
	return found, nil
}

func roomFor(t types.InstanceTypeInfo) (r room) {
	if t.EbsInfo != nil {
		r.volumes, r.shared = int(aws.ToInt32(t.EbsInfo.MaximumEbsAttachments)), t.EbsInfo.AttachmentLimitType == types.AttachmentLimitTypeShared
	}
	if r.volumes == 0 && t.Hypervisor == types.InstanceTypeHypervisorXen {
		r.volumes = xenVolumes
	}
	if t.InstanceStorageInfo != nil && t.InstanceStorageInfo.NvmeSupport != types.EphemeralNvmeSupportUnsupported {
		for _, d := range t.InstanceStorageInfo.Disks {
			r.stores += int(aws.ToInt32(d.Count))
		}
	}
	return r
}

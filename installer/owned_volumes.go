package installer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"scaleio-framework/platform/aws"
	"scaleio-framework/scheduler/api"
)

// OwnedVolumes lists what carries the cluster's tag in the region, whoever bought it: what the scheduler compares its ledger with.
func (i *Installer) OwnedVolumes(ctx context.Context, in Input) ([]api.OwnedVolume, error) {
	if i.sys.Cloud == nil || in.Spec.Growth == nil {
		return nil, fmt.Errorf("listing the cluster's volumes: %w", aws.ErrUnverified)
	}
	volumes, err := i.sys.Cloud.Volumes(aws.Access{Endpoint: in.Spec.Growth.Endpoint, CredentialsFile: in.Spec.Growth.CredentialsFile})
	if err != nil {
		return nil, fmt.Errorf("listing the cluster's volumes: %w", err)
	}
	found, err := volumes.Tagged(ctx, map[string]string{api.TagCluster: in.Spec.Version.Cluster})
	if err != nil {
		return nil, fmt.Errorf("listing the cluster's volumes: %w", err)
	}
	if len(found) > api.MaxOwnedVolumes {
		return nil, fmt.Errorf("listing the cluster's volumes: %d carry its tag, and more than %d aren't taken: look who tagged them", len(found), api.MaxOwnedVolumes)
	}
	var all []api.OwnedVolume
	for _, v := range found {
		if v.State == aws.VolumeDeleted || v.State == aws.VolumeDeleting {
			continue
		}
		o := api.OwnedVolume{VolumeID: v.ID, Node: v.Tags[api.TagNode], Expansion: v.Tags[api.TagExpansion], Order: v.Tags[api.TagOrder],
			State: v.State, Zone: v.Zone, Type: v.Type, SizeGiB: v.SizeGiB, Created: v.Created, IOPS: v.IOPS, ThroughputMiBs: v.Throughput}
		for _, a := range v.Attachments {
			if a.State != aws.Detached {
				o.Instance = a.Instance
			}
		}
		all = append(all, o)
	}
	slices.SortFunc(all, func(a, b api.OwnedVolume) int { return strings.Compare(a.VolumeID, b.VolumeID) })
	return all, nil
}

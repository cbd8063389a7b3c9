package aws

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Create a volume. Tags come with it, never after: an untagged one could be nobody's, and the policy wouldn't let us have it.
func (e *EC2) Create(ctx context.Context, wanted NewVolume) (Volume, error) {
	in := &ec2.CreateVolumeInput{ClientToken: aws.String(wanted.ClientToken), AvailabilityZone: aws.String(wanted.Zone), VolumeType: types.VolumeType(wanted.Type),
		Size: aws.Int32(int32(wanted.SizeGiB)), Encrypted: aws.Bool(wanted.Encrypted), TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeVolume}}}
	if wanted.IOPS > 0 {
		in.Iops = aws.Int32(int32(wanted.IOPS))
	}
	if wanted.ThroughputMiBs > 0 {
		in.Throughput = aws.Int32(int32(wanted.ThroughputMiBs))
	}
	if wanted.KMSKey != "" {
		in.KmsKeyId = aws.String(wanted.KMSKey)
	}
	tags := &in.TagSpecifications[0].Tags
	for _, key := range slices.Sorted(maps.Keys(wanted.Tags)) {
		*tags = append(*tags, types.Tag{Key: aws.String(key), Value: aws.String(wanted.Tags[key])})
	}
	if problem := wanted.problem(); problem != "" {
		return Volume{}, &Error{Op: "CreateVolume", Message: problem, Kind: ErrInvalid}
	}
	out, err := ask(ctx, e, "CreateVolume", e.writes, (*ec2.Client).CreateVolume, in)
	if err != nil {
		return Volume{}, err
	}
	return volumeOf(types.Volume{VolumeId: out.VolumeId, State: out.State, AvailabilityZone: out.AvailabilityZone, VolumeType: out.VolumeType, Size: out.Size,
		Encrypted: out.Encrypted, CreateTime: out.CreateTime, Tags: out.Tags, Attachments: out.Attachments}), nil
}

// problem with an order that must not reach EC2: what it lacks would be filled in there.
func (w NewVolume) problem() string {
	switch {
	case w.ClientToken == "" || len(w.ClientToken) > 64:
		return "a client token of 1 to 64 characters is needed: without one, asking twice buys twice"
	case w.Zone == "", w.Type == "", w.SizeGiB <= 0:
		return "zone, type and size have to be said"
	case len(w.Tags) == 0:
		return "tags have to be said: an untagged volume would be nobody's"
	}
	return ""
}

// Delete a volume that is ours and that nobody has.
func (e *EC2) Delete(ctx context.Context, id string, tags map[string]string) error {
	seen, err := e.Describe(ctx, id)
	if err == nil && len(seen) == 0 { // gone, or a read that lags: who took the one for the other would leave a volume to nobody
		seen, err = e.await(ctx, availableLimit, []string{id}, "shown", func(Volume) bool { return true })
	}
	if err != nil {
		return err
	}
	v, there := seen[id]
	switch {
	case !there, v.State == VolumeDeleted, v.State == VolumeDeleting:
		return nil
	case len(tags) == 0 || !v.carries(tags):
		return conflict("DeleteVolume", "%s isn't tagged as ours: %v", id, v.Tags)
	case v.State != VolumeAvailable && v.State != VolumeError:
		return conflict("DeleteVolume", "%s is %s", id, v.State)
	}
	_, err = ask(ctx, e, "DeleteVolume", e.writes, (*ec2.Client).DeleteVolume, &ec2.DeleteVolumeInput{VolumeId: aws.String(id)})
	if errors.Is(err, ErrGone) {
		return nil
	}
	return err
}

func (v Volume) carries(tags map[string]string) bool {
	for key, value := range tags {
		if have, ok := v.Tags[key]; !ok || have != value {
			return false
		}
	}
	return true
}

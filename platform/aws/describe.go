package aws

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

const (
	pageOf    = 500 // the most that DescribeVolumes gives at once
	idsAtOnce = 200 // values that a filter takes
	mostPages = 100 // of one listing: a bound, not an expectation
)

// Tagged lists the volumes that carry all of these tags.
func (e *EC2) Tagged(ctx context.Context, tags map[string]string) ([]Volume, error) {
	if len(tags) == 0 {
		return nil, &Error{Op: "DescribeVolumes", Message: "no tags to look for: that would be all volumes of the account", Kind: ErrInvalid}
	}
	var filters []types.Filter
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		filters = append(filters, filter("tag:"+key, tags[key]))
	}
	return e.list(ctx, filters...)
}

// Describe by id. The ids go into a filter: named outright, one unknown id would fail the whole call.
func (e *EC2) Describe(ctx context.Context, ids ...string) (map[string]Volume, error) {
	found := map[string]Volume{}
	for some := range slices.Chunk(ids, idsAtOnce) {
		volumes, err := e.list(ctx, filter("volume-id", some...))
		if err != nil {
			return nil, err
		}
		for _, v := range volumes {
			found[v.ID] = v
		}
	}
	return found, nil
}

// attachedHere lists what is attached to this instance.
func (e *EC2) attachedHere(ctx context.Context) ([]Volume, error) {
	self, err := e.self(ctx, "DescribeVolumes")
	if err != nil {
		return nil, err
	}
	return e.list(ctx, filter("attachment.instance-id", self.ID))
}

// list all pages.
func (e *EC2) list(ctx context.Context, filters ...types.Filter) (all []Volume, err error) {
	in := &ec2.DescribeVolumesInput{Filters: filters, MaxResults: aws.Int32(pageOf)}
	for range mostPages {
		out, err := ask(ctx, e, "DescribeVolumes", e.reads, (*ec2.Client).DescribeVolumes, in)
		if err != nil {
			return nil, err
		}
		for _, v := range out.Volumes {
			all = append(all, volumeOf(v))
		}
		if aws.ToString(out.NextToken) == "" {
			return all, nil
		}
		in.NextToken = out.NextToken
	}
	return nil, &Error{Op: "DescribeVolumes", Message: "the list doesn't end", Kind: ErrUnavailable}
}

func filter(name string, values ...string) types.Filter {
	return types.Filter{Name: aws.String(name), Values: values}
}

func volumeOf(v types.Volume) Volume {
	volume := Volume{ID: aws.ToString(v.VolumeId), State: string(v.State), Zone: aws.ToString(v.AvailabilityZone), Type: string(v.VolumeType), SizeGiB: int(aws.ToInt32(v.Size)),
		IOPS: int(aws.ToInt32(v.Iops)), Throughput: int(aws.ToInt32(v.Throughput)), Encrypted: aws.ToBool(v.Encrypted), Created: aws.ToTime(v.CreateTime), Tags: map[string]string{}}
	for _, t := range v.Tags {
		volume.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	for _, a := range v.Attachments {
		volume.Attachments = append(volume.Attachments, Attachment{Instance: aws.ToString(a.InstanceId), Device: aws.ToString(a.Device), State: string(a.State),
			DeleteOnTermination: aws.ToBool(a.DeleteOnTermination), Since: aws.ToTime(a.AttachTime)})
	}
	return volume
}

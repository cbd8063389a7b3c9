package aws_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/aws"
)

// list all pages, and tells how many there were.
func (s *stand) list(t *testing.T, size int32, filters ...types.Filter) (ids []string, pages int) {
	t.Helper()
	in := &ec2.DescribeVolumesInput{Filters: filters}
	if size > 0 {
		in.MaxResults = sdk.Int32(size)
	}
	for p := ec2.NewDescribeVolumesPaginator(s, in); p.HasMorePages(); pages++ {
		out, err := p.NextPage(t.Context())
		require.NoError(t, err)
		for _, v := range out.Volumes {
			ids = append(ids, *v.VolumeId)
		}
	}
	return ids, pages
}

func by(name string, values ...string) types.Filter {
	return types.Filter{Name: sdk.String(name), Values: values}
}

func TestDescribeVolumes_pages(t *testing.T) {
	s := newStand(t, aws.Config{})
	var made []string
	for n := range 12 {
		made = append(made, s.create(t, fmt.Sprint(n)))
	}
	slices.Sort(made)
	for _, c := range []struct {
		size  int32
		pages int
	}{{0, 1}, {5, 3}, {6, 2}, {12, 1}, {100, 1}} {
		ids, pages := s.list(t, c.size, by("tag:"+cluster, "c1"))
		assert.Equal(t, made, ids, "%d per page", c.size)
		assert.Equal(t, c.pages, pages, "%d per page", c.size)
	}
	ids, _ := s.list(t, 5)
	assert.Len(t, ids, 13, "the root volume, too")

	_, err := s.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{MaxResults: sdk.Int32(4)})
	assert.Equal(t, "InvalidParameterValue", code(err))
	_, err = s.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{MaxResults: sdk.Int32(5), VolumeIds: made[:1]})
	assert.Equal(t, "InvalidParameterCombination", code(err))
	_, err = s.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{NextToken: sdk.String("%")})
	assert.Equal(t, "InvalidParameterValue", code(err))
}

// Pages may hold nothing that was asked for, and there may be more nevertheless.
func TestDescribeVolumes_sparsePages(t *testing.T) {
	s := newStand(t, aws.Config{Reads: aws.Reads{Page: 3, Sparse: true}})
	for n := range 12 {
		s.create(t, fmt.Sprint(n))
	}
	one := s.create(t, "one")
	_, err := s.attach(t.Context(), one, "/dev/sdf")
	require.NoError(t, err)
	ids, pages := s.list(t, 0, by("attachment.device", "/dev/sdf"))
	assert.Equal(t, []string{one}, ids)
	assert.Equal(t, 5, pages)
}

func TestDescribeVolumes_filters(t *testing.T) {
	s := newStand(t, aws.Config{})
	a, b := s.create(t, "a"), s.create(t, "b")
	_, err := s.attach(t.Context(), b, "/dev/sdf")
	require.NoError(t, err)
	for _, c := range []struct {
		want    []string
		filters []types.Filter
	}{
		{[]string{a, b}, []types.Filter{by("volume-id", a, b)}},
		{[]string{a}, []types.Filter{by("status", "available", "creating")}},
		{[]string{b}, []types.Filter{by("attachment.instance-id", s.node.ID), by("size", "100")}},
		{[]string{b}, []types.Filter{by("attachment.status", "attached"), by("tag-key", cluster)}},
		{[]string{a, b}, []types.Filter{by("tag:"+cluster, "c?")}},
		{[]string{a, b}, []types.Filter{by("volume-type", "gp*"), by("size", "100"), by("availability-zone", zone), by("encrypted", "false")}},
		{nil, []types.Filter{by("tag:"+cluster, "c1"), by("tag:other", "*")}},
	} {
		got, _ := s.list(t, 0, c.filters...)
		assert.ElementsMatch(t, c.want, got, "%v", c.filters)
	}
	_, err = s.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{Filters: []types.Filter{by("colour", "red")}})
	assert.Equal(t, "InvalidParameterValue", code(err))
	assert.ErrorContains(t, err, "The filter 'colour' is invalid")
}

// One id that EC2 doesn't know fails the whole call.
func TestDescribeVolumes_oneBadID(t *testing.T) {
	s := newStand(t, aws.Config{})
	for _, missing := range [][]string{{"vol-0123456789abcdef0"}, {"vol-0123456789abcdef0", "vol-01234567"}} {
		_, err := s.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: append(missing, s.create(t, "1"))})
		assert.Equal(t, "InvalidVolume.NotFound", code(err))
		assert.ErrorContains(t, err, missing[len(missing)-1])
	}
	_, err := s.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{"disk1"}})
	assert.Equal(t, "InvalidParameterValue", code(err))
}

func TestReadsLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBubbleStand(t, aws.Config{Reads: aws.Reads{Lag: 10 * time.Second, InstancesLag: 30 * time.Second}})
		time.Sleep(30 * time.Second)
		id := s.create(t, "1")
		_, err := s.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{id}})
		assert.Equal(t, "InvalidVolume.NotFound", code(err), "right after it was created")
		_, err = s.DescribeVolumesModifications(t.Context(), &ec2.DescribeVolumesModificationsInput{VolumeIds: []string{id}})
		assert.Equal(t, "InvalidVolume.NotFound", code(err))
		ids, _ := s.list(t, 0, by("volume-id", id))
		assert.Empty(t, ids)
		time.Sleep(10 * time.Second)
		assert.Equal(t, types.VolumeStateAvailable, s.describe(t, id).State)
		_, err = s.DescribeVolumesModifications(t.Context(), &ec2.DescribeVolumesModificationsInput{VolumeIds: []string{id}})
		assert.Equal(t, "InvalidVolumeModification.NotFound", code(err), "it is known, and was never modified")

		_, err = s.attach(t.Context(), id, "/dev/sdf")
		require.NoError(t, err)
		assert.Empty(t, s.describe(t, id).Attachments)
		time.Sleep(10 * time.Second)
		assert.Len(t, s.describe(t, id).Attachments, 1)
		mapped := func() int {
			out, err := s.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{s.node.ID}})
			require.NoError(t, err)
			return len(out.Reservations[0].Instances[0].BlockDeviceMappings)
		}
		assert.Equal(t, 1, mapped(), "the root: instances tell of it later than volumes")
		time.Sleep(20 * time.Second)
		assert.Equal(t, 2, mapped())
	})
}

// A later read may show an older state.
func TestReadsJump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBubbleStand(t, aws.Config{Seed: 7, Reads: aws.Reads{Lag: 10 * time.Second, Jumpy: true}})
		id := s.create(t, "1")
		time.Sleep(5 * time.Second)
		backwards, before := false, 0
		for range 50 {
			ids, _ := s.list(t, 0, by("volume-id", id))
			backwards = backwards || len(ids) < before
			before = len(ids)
		}
		assert.True(t, backwards)
		time.Sleep(5 * time.Second)
		for range 50 {
			ids, _ := s.list(t, 0, by("volume-id", id))
			require.Len(t, ids, 1)
		}
	})
}

func TestDescribeInstances(t *testing.T) {
	s := newStand(t, aws.Config{})
	other := s.AddInstance(aws.InstanceSpec{Type: "m7i.large", Zone: "eu-central-1b", Address: "10.0.0.8"})
	out, err := s.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{Filters: []types.Filter{by("instance-type", "m7i.*")}})
	require.NoError(t, err)
	require.Len(t, out.Reservations, 1)
	i := out.Reservations[0].Instances[0]
	assert.Equal(t, other.ID, *i.InstanceId)
	assert.Equal(t, "eu-central-1b", *i.Placement.AvailabilityZone)
	assert.Equal(t, types.InstanceStateNameRunning, i.State.Name)
	assert.Equal(t, "10.0.0.8", *i.PrivateIpAddress)
	assert.Len(t, i.NetworkInterfaces, 1)
	require.Len(t, i.BlockDeviceMappings, 1)
	assert.Equal(t, other.RootVolume, *i.BlockDeviceMappings[0].Ebs.VolumeId)
	_, err = s.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{"i-0123456789abcdef0"}})
	assert.Equal(t, "InvalidInstanceID.NotFound", code(err))
}

func TestDescribeInstanceTypes(t *testing.T) {
	s := newStand(t, aws.Config{})
	one := func(name types.InstanceType) types.InstanceTypeInfo {
		out, err := s.DescribeInstanceTypes(t.Context(), &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{name}})
		require.NoError(t, err)
		require.Len(t, out.InstanceTypes, 1)
		return out.InstanceTypes[0]
	}
	shared := one("m5d.large")
	assert.Equal(t, types.InstanceTypeHypervisorNitro, shared.Hypervisor)
	assert.Equal(t, types.AttachmentLimitTypeShared, shared.EbsInfo.AttachmentLimitType)
	assert.EqualValues(t, 27, *shared.EbsInfo.MaximumEbsAttachments)
	assert.EqualValues(t, 1, *shared.InstanceStorageInfo.Disks[0].Count)
	dedicated := one("m7i.large")
	assert.Equal(t, types.AttachmentLimitTypeDedicated, dedicated.EbsInfo.AttachmentLimitType)
	assert.Nil(t, dedicated.InstanceStorageInfo)
	assert.Equal(t, types.InstanceTypeHypervisorXen, one("m4.large").Hypervisor)
	_, err := s.DescribeInstanceTypes(t.Context(), &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"z9.tiny"}})
	assert.Equal(t, "InvalidInstanceType", code(err))
}

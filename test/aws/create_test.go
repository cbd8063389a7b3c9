package aws_test

import (
	"strings"
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

// own are the volumes that were created: all but the root volumes.
func (s *stand) own() []aws.Volume {
	var own []aws.Volume
	for _, v := range s.Volumes() {
		if v.SizeGiB != 8 {
			own = append(own, v)
		}
	}
	return own
}

func TestCreateVolume_theSameTokenMakesOneVolume(t *testing.T) {
	s := newStand(t, aws.Config{})
	first := s.create(t, "token")
	assert.Equal(t, first, s.create(t, "token"))
	assert.Len(t, s.own(), 1)
	assert.NotEqual(t, first, s.create(t, "another"))
	_, err := s.CreateVolume(t.Context(), &ec2.CreateVolumeInput{AvailabilityZone: sdk.String(zone), Size: sdk.Int32(1)})
	require.NoError(t, err, "without a token of its own, the client makes one")
	assert.Len(t, s.own(), 3)
}

func TestCreateVolume_tokenMismatch(t *testing.T) {
	s := newStand(t, aws.Config{})
	s.create(t, "token")
	for name, change := range map[string]func(*ec2.CreateVolumeInput){
		"size": func(in *ec2.CreateVolumeInput) { in.Size = sdk.Int32(101) },
		"type": func(in *ec2.CreateVolumeInput) { in.VolumeType = types.VolumeTypeGp2 },
		"zone": func(in *ec2.CreateVolumeInput) { in.AvailabilityZone = sdk.String("eu-central-1b") },
		"tags": func(in *ec2.CreateVolumeInput) { in.TagSpecifications[0].Tags[0].Value = sdk.String("c2") },
	} {
		in := wanted("token")
		change(in)
		_, err := s.CreateVolume(t.Context(), in)
		assert.Equal(t, "IdempotentParameterMismatch", code(err), name)
		assert.ErrorContains(t, err, "different set of parameters", name)
	}
	assert.Len(t, s.own(), 1)
}

// A token whose volume was deleted is burnt.
func TestCreateVolume_tokenOfADeletedVolume(t *testing.T) {
	s := newStand(t, aws.Config{})
	id := s.create(t, "token")
	_, err := s.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: sdk.String(id)})
	require.NoError(t, err)
	_, err = s.CreateVolume(t.Context(), wanted("token"))
	assert.Equal(t, "IdempotentParameterMismatch", code(err))
	assert.ErrorContains(t, err, "already deleted")
	assert.Empty(t, s.own())
}

// A key that can't be used shows only afterwards: the volume vanishes, and its token is burnt.
func TestCreateVolume_badKey(t *testing.T) {
	s := newStand(t, aws.Config{BadKMSKeys: []string{"alias/forbidden"}, Takes: aws.Takes{Create: 20 * time.Millisecond}})
	in := wanted("token")
	in.Encrypted, in.KmsKeyId = sdk.Bool(true), sdk.String("alias/forbidden")
	made, err := s.CreateVolume(t.Context(), in)
	require.NoError(t, err)
	assert.Equal(t, types.VolumeStateCreating, s.describe(t, *made.VolumeId).State)
	require.Eventually(t, func() bool { return len(s.own()) == 0 }, 5*time.Second, time.Millisecond)
	_, err = s.CreateVolume(t.Context(), in)
	assert.ErrorContains(t, err, "already deleted")
}

func TestCreateVolume_refuses(t *testing.T) {
	s := newStand(t, aws.Config{})
	for name, c := range map[string]struct {
		change func(*ec2.CreateVolumeInput)
		want   string
	}{
		"no zone":           {func(in *ec2.CreateVolumeInput) { in.AvailabilityZone = nil }, "MissingParameter"},
		"another region":    {func(in *ec2.CreateVolumeInput) { in.AvailabilityZone = sdk.String("us-east-1a") }, "InvalidZone.NotFound"},
		"unknown type":      {func(in *ec2.CreateVolumeInput) { in.VolumeType = "gp9" }, "UnknownVolumeType"},
		"no size":           {func(in *ec2.CreateVolumeInput) { in.Size = nil }, "MissingParameter"},
		"too large":         {func(in *ec2.CreateVolumeInput) { in.Size = sdk.Int32(65537) }, "InvalidParameterValue"},
		"too small":         {func(in *ec2.CreateVolumeInput) { in.VolumeType, in.Size = types.VolumeTypeSt1, sdk.Int32(124) }, "InvalidParameterValue"},
		"too few IOPS":      {func(in *ec2.CreateVolumeInput) { in.Iops = sdk.Int32(2999) }, "InvalidParameterValue"},
		"too many IOPS":     {func(in *ec2.CreateVolumeInput) { in.Size, in.Iops = sdk.Int32(1000), sdk.Int32(80001) }, "InvalidParameterValue"},
		"IOPS for the size": {func(in *ec2.CreateVolumeInput) { in.Size, in.Iops = sdk.Int32(10), sdk.Int32(5001) }, "InvalidParameterValue"},
		"IOPS of gp2":       {func(in *ec2.CreateVolumeInput) { in.VolumeType, in.Iops = types.VolumeTypeGp2, sdk.Int32(3000) }, "InvalidParameterCombination"},
		"io1 without IOPS":  {func(in *ec2.CreateVolumeInput) { in.VolumeType = types.VolumeTypeIo1 }, "InvalidParameterCombination"},
		"throughput of io2": {func(in *ec2.CreateVolumeInput) {
			in.VolumeType, in.Iops, in.Throughput = types.VolumeTypeIo2, sdk.Int32(100), sdk.Int32(125)
		}, "InvalidParameterCombination"},
		"long token":      {func(in *ec2.CreateVolumeInput) { in.ClientToken = sdk.String(strings.Repeat("t", 65)) }, "InvalidParameterValue"},
		"key unencrypted": {func(in *ec2.CreateVolumeInput) { in.KmsKeyId = sdk.String("alias/a") }, "InvalidParameterDependency"},
		"aws: tag":        {func(in *ec2.CreateVolumeInput) { in.TagSpecifications[0].Tags[0].Key = sdk.String("aws:mine") }, "InvalidParameterValue"},
		"tags of others":  {func(in *ec2.CreateVolumeInput) { in.TagSpecifications[0].ResourceType = types.ResourceTypeInstance }, "InvalidParameterValue"},
		"a snapshot":      {func(in *ec2.CreateVolumeInput) { in.SnapshotId = sdk.String("snap-1") }, "InvalidSnapshot.NotFound"},
		"dry run":         {func(in *ec2.CreateVolumeInput) { in.DryRun = sdk.Bool(true) }, "DryRunOperation"},
	} {
		in := wanted("token")
		c.change(in)
		_, err := s.CreateVolume(t.Context(), in)
		assert.Equal(t, c.want, code(err), "%s: %v", name, err)
	}
	assert.Empty(t, s.own())
	out, err := s.CreateVolume(t.Context(), &ec2.CreateVolumeInput{AvailabilityZone: sdk.String(zone), Size: sdk.Int32(1)})
	require.NoError(t, err)
	assert.Equal(t, types.VolumeTypeGp2, out.VolumeType, "as EC2 does where no type is said")
}

func TestQuota(t *testing.T) {
	s := newStand(t, aws.Config{Quota: aws.Quota{Volumes: 2}})
	first := s.create(t, "1")
	s.create(t, "2")
	_, err := s.CreateVolume(t.Context(), wanted("3"))
	assert.Equal(t, "VolumeLimitExceeded", code(err))
	assert.Equal(t, first, s.create(t, "1"), "what was made before counts once")

	s.SetQuota(aws.Quota{Volumes: 2, ForgetsTokens: true})
	_, err = s.CreateVolume(t.Context(), wanted("1"))
	assert.Equal(t, "VolumeLimitExceeded", code(err), "although the volume is there")

	for want, q := range map[string]aws.Quota{
		"VolumeLimitExceeded":        {GiB: 299},
		"MaxIOPSLimitExceeded":       {IOPS: 8999},
		"InsufficientVolumeCapacity": {ZoneGiB: map[string]int{zone: 299}},
	} {
		s.SetQuota(q)
		_, err = s.CreateVolume(t.Context(), wanted("3"))
		assert.Equal(t, want, code(err))
	}
	s.SetQuota(aws.Quota{ZoneGiB: map[string]int{"eu-central-1b": 0}})
	s.create(t, "3")
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBubbleStand(t, aws.Config{Throttle: map[string]aws.Rate{"CreateVolume": {Burst: 2, PerSecond: 1}, "*": {Burst: 1, PerSecond: 10}}})
		create := func(token string) string {
			_, err := s.CreateVolume(t.Context(), wanted(token))
			return code(err)
		}
		assert.Empty(t, create("1"))
		assert.Empty(t, create("2"))
		assert.Equal(t, "RequestLimitExceeded", create("3"))
		_, err := s.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{})
		require.NoError(t, err, "a bucket of its own")
		time.Sleep(time.Second)
		assert.Empty(t, create("3"))
		assert.Equal(t, "RequestLimitExceeded", create("4"))
		s.SetThrottle(nil)
		assert.Empty(t, create("4"))
	})
}

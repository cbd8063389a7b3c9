package aws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/aws"
)

const (
	zone    = "eu-central-1a"
	cluster = "scaleio-framework/cluster"
)

// stand is a cloud with one instance and the real client on it.
type stand struct {
	*aws.Cloud
	*ec2.Client
	node    aws.Instance
	disks   *aws.Memory
	address string
}

func newStand(t *testing.T, config aws.Config) *stand {
	t.Helper()
	disks := aws.NewMemory()
	config.Backend = disks
	s := &stand{Cloud: aws.New(config), disks: disks}
	s.node = s.AddInstance(aws.InstanceSpec{Zone: zone, Tags: map[string]string{cluster: "c1"}})
	s.address = serve(t, s.Cloud)
	keys, err := s.Credentials(s.node.ID)
	require.NoError(t, err)
	s.Client = client(s.address, keys)
	t.Cleanup(s.Close)
	return s
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// client asks once: retries are for tests of retries.
func client(address string, keys aws.Credentials) *ec2.Client {
	return ec2.New(ec2.Options{
		Region: "eu-central-1", BaseEndpoint: sdk.String(address), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKey, keys.Secret, keys.Token),
	})
}

func (s *stand) create(t *testing.T, token string) string {
	t.Helper()
	made, err := s.CreateVolume(t.Context(), wanted(token))
	require.NoError(t, err)
	return *made.VolumeId
}

func wanted(token string) *ec2.CreateVolumeInput {
	return &ec2.CreateVolumeInput{
		AvailabilityZone: sdk.String(zone), Size: sdk.Int32(100), VolumeType: types.VolumeTypeGp3, ClientToken: sdk.String(token),
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeVolume, Tags: []types.Tag{{Key: sdk.String(cluster), Value: sdk.String("c1")}}}},
	}
}

func (s *stand) describe(t *testing.T, id string) types.Volume {
	t.Helper()
	out, err := s.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{id}})
	require.NoError(t, err)
	require.Len(t, out.Volumes, 1)
	return out.Volumes[0]
}

func (s *stand) attach(ctx context.Context, id, device string) (*ec2.AttachVolumeOutput, error) {
	return s.AttachVolume(ctx, &ec2.AttachVolumeInput{VolumeId: sdk.String(id), InstanceId: sdk.String(s.node.ID), Device: sdk.String(device)})
}

// code of the error that EC2 answered.
func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func TestVolume_fromCreationToItsEnd(t *testing.T) {
	s := newStand(t, aws.Config{})
	made, err := s.CreateVolume(t.Context(), wanted("token-1"))
	require.NoError(t, err)
	assert.Equal(t, types.VolumeStateCreating, made.State)
	assert.EqualValues(t, 3000, *made.Iops)
	assert.WithinDuration(t, time.Now(), *made.CreateTime, time.Minute)

	v := s.describe(t, *made.VolumeId)
	assert.Equal(t, types.VolumeStateAvailable, v.State)
	assert.Equal(t, []types.Tag{{Key: sdk.String(cluster), Value: sdk.String("c1")}}, v.Tags)
	assert.EqualValues(t, 100, *v.Size)
	assert.Empty(t, v.Attachments)
	assert.Empty(t, s.disks.Seen(s.node.ID))

	attached, err := s.attach(t.Context(), *v.VolumeId, "/dev/xvdba")
	require.NoError(t, err)
	assert.Equal(t, types.VolumeAttachmentStateAttaching, attached.State)
	v = s.describe(t, *made.VolumeId)
	assert.Equal(t, types.VolumeStateInUse, v.State)
	require.Len(t, v.Attachments, 1)
	assert.Equal(t, types.VolumeAttachmentStateAttached, v.Attachments[0].State)
	assert.Equal(t, s.node.ID, *v.Attachments[0].InstanceId)
	assert.Equal(t, "/dev/xvdba", *v.Attachments[0].Device)
	assert.False(t, *v.Attachments[0].DeleteOnTermination)
	assert.Contains(t, s.disks.Seen(s.node.ID), *v.VolumeId)

	_, err = s.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: v.VolumeId})
	assert.Equal(t, "VolumeInUse", code(err))

	detached, err := s.DetachVolume(t.Context(), &ec2.DetachVolumeInput{VolumeId: v.VolumeId})
	require.NoError(t, err)
	assert.Equal(t, types.VolumeAttachmentStateDetaching, detached.State)
	assert.Equal(t, types.VolumeStateAvailable, s.describe(t, *v.VolumeId).State)
	assert.Empty(t, s.disks.Seen(s.node.ID))

	_, err = s.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: v.VolumeId})
	require.NoError(t, err)
	_, err = s.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{VolumeIds: []string{*v.VolumeId}})
	assert.Equal(t, "InvalidVolume.NotFound", code(err))
	assert.Len(t, s.Volumes(), 1, "the root volume")
}

// Whole clusters call at once, each node as itself.
func TestManyCallersAtOnce(t *testing.T) {
	s := newStand(t, aws.Config{Takes: aws.Takes{Create: time.Millisecond, Attach: time.Millisecond}, Reads: aws.Reads{Lag: time.Millisecond, Jumpy: true}})
	var wait sync.WaitGroup
	for n := range 8 {
		node := s.AddInstance(aws.InstanceSpec{Zone: zone})
		keys, err := s.Credentials(node.ID)
		require.NoError(t, err)
		wait.Go(func() {
			c := client(s.address, keys)
			for i := range 5 {
				in := wanted(fmt.Sprintf("%d-%d", n, i))
				made, err := c.CreateVolume(t.Context(), in)
				if !assert.NoError(t, err) {
					return
				}
				assert.EventuallyWithT(t, func(t *assert.CollectT) {
					_, err := c.AttachVolume(context.Background(), &ec2.AttachVolumeInput{VolumeId: made.VolumeId, InstanceId: sdk.String(node.ID), Device: sdk.String("/dev/sd" + string(rune('f'+i)))})
					assert.NoError(t, err)
				}, 5*time.Second, time.Millisecond)
				_, err = c.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{})
				assert.NoError(t, err)
			}
		})
	}
	wait.Wait()
	require.Eventually(t, func() bool {
		attached := 0
		for _, i := range s.Instances() {
			attached += len(s.disks.Seen(i.ID))
		}
		return attached == 40
	}, 5*time.Second, time.Millisecond)
	assert.Len(t, s.own(), 40)
}

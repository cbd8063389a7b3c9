package aws_test

import (
	"fmt"
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

func TestAttachVolume_refuses(t *testing.T) {
	s := newStand(t, aws.Config{})
	s.node = s.AddInstance(aws.InstanceSpec{Zone: zone, TakenNames: []string{"sdh"}})
	volume, attached := s.create(t, "1"), s.create(t, "2")
	_, err := s.attach(t.Context(), attached, "/dev/sdf")
	require.NoError(t, err)
	stopping := s.AddInstance(aws.InstanceSpec{})
	s.SetInstanceState(stopping.ID, "terminated")
	elsewhere := s.AddInstance(aws.InstanceSpec{Zone: "eu-central-1b"})
	for name, c := range map[string]struct {
		volume, instance, device, want, text string
	}{
		"no such volume":    {"vol-0123456789abcdef0", s.node.ID, "/dev/sdg", "InvalidVolume.NotFound", ""},
		"malformed volume":  {"vol-x", s.node.ID, "/dev/sdg", "InvalidVolumeID.Malformed", ""},
		"no such instance":  {volume, "i-0123456789abcdef0", "/dev/sdg", "InvalidInstanceID.NotFound", ""},
		"another zone":      {volume, elsewhere.ID, "/dev/sdg", "InvalidVolume.ZoneMismatch", ""},
		"terminated":        {volume, stopping.ID, "/dev/sdg", "IncorrectState", "not 'running'"},
		"attached already":  {attached, s.node.ID, "/dev/sdg", "VolumeInUse", "already attached"},
		"name in use":       {volume, s.node.ID, "/dev/sdf", "InvalidParameterValue", "already in use"},
		"name of the image": {volume, s.node.ID, "/dev/sdh", "InvalidParameterValue", "already in use"},
		"root's name":       {volume, s.node.ID, "/dev/xvda", "InvalidParameterValue", ""},
		"no such name":      {volume, s.node.ID, "/dev/nvme1n1", "InvalidParameterValue", "not a valid EBS device name"},
		"beyond the names":  {volume, s.node.ID, "/dev/xvdby", "InvalidParameterValue", "not a valid EBS device name"},
	} {
		_, err := s.AttachVolume(t.Context(), &ec2.AttachVolumeInput{VolumeId: sdk.String(c.volume), InstanceId: sdk.String(c.instance), Device: sdk.String(c.device)})
		assert.Equal(t, c.want, code(err), "%s: %v", name, err)
		assert.ErrorContains(t, err, c.text, name)
	}
}

func TestAttachVolume_notWhileCreating(t *testing.T) {
	s := newStand(t, aws.Config{Takes: aws.Takes{Create: time.Hour}})
	_, err := s.attach(t.Context(), s.create(t, "1"), "/dev/sdf")
	assert.Equal(t, "IncorrectState", code(err))
	assert.ErrorContains(t, err, "is not 'available'")
}

func TestAttachVolume_limit(t *testing.T) {
	for kind, c := range map[string]struct {
		most  int
		hangs bool
	}{"m5.large": {27, false}, "m5d.large": {26, false}, "m7i.large": {32, false}, "m4.large": {39, true}} {
		s := newStand(t, aws.Config{})
		s.node = s.AddInstance(aws.InstanceSpec{Zone: zone, Type: kind})
		for n := 1; n < c.most; n++ { // the root has a slot, too
			_, err := s.attach(t.Context(), s.create(t, fmt.Sprint(n)), fmt.Sprintf("/dev/xvd%c%c", 'b'+n/20, 'a'+n%20))
			require.NoError(t, err, "%s %d", kind, n)
		}
		last := s.create(t, "last")
		_, err := s.attach(t.Context(), last, "/dev/xvdz")
		if !c.hangs {
			assert.Equal(t, "AttachmentLimitExceeded", code(err), kind)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, types.VolumeAttachmentStateAttaching, s.describe(t, last).Attachments[0].State, "for ever")
		assert.NotContains(t, s.disks.Seen(s.node.ID), last)
	}
}

// What takes time in the cloud takes it, and the machine sees a disk only some time after EC2 says that it is attached.
func TestStatesTakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBubbleStand(t, aws.Config{Takes: aws.Takes{Create: 2 * time.Second, Attach: 3 * time.Second, Appear: time.Minute, Detach: 4 * time.Second, Delete: 5 * time.Second}})
		id := s.create(t, "1")
		state := func() types.VolumeState { return s.describe(t, id).State }
		assert.Equal(t, types.VolumeStateCreating, state())
		time.Sleep(2 * time.Second)
		assert.Equal(t, types.VolumeStateAvailable, state())

		_, err := s.attach(t.Context(), id, "/dev/sdf")
		require.NoError(t, err)
		assert.Equal(t, types.VolumeStateInUse, state(), "while it is attaching")
		assert.Equal(t, types.VolumeAttachmentStateAttaching, s.describe(t, id).Attachments[0].State)
		time.Sleep(3 * time.Second)
		assert.Equal(t, types.VolumeAttachmentStateAttached, s.describe(t, id).Attachments[0].State)
		assert.Empty(t, s.disks.Seen(s.node.ID))
		time.Sleep(time.Minute)
		synctest.Wait()
		assert.Contains(t, s.disks.Seen(s.node.ID), id, "nobody has to ask for it")

		s.disks.Hold(id, true)
		_, err = s.DetachVolume(t.Context(), &ec2.DetachVolumeInput{VolumeId: sdk.String(id), InstanceId: sdk.String(s.node.ID)})
		require.NoError(t, err)
		assert.Equal(t, types.VolumeAttachmentStateDetaching, s.describe(t, id).Attachments[0].State)
		time.Sleep(5 * time.Second)
		assert.Equal(t, types.VolumeAttachmentStateBusy, s.describe(t, id).Attachments[0].State)
		s.disks.Hold(id, false)
		time.Sleep(time.Second)
		assert.Equal(t, types.VolumeStateAvailable, state())

		_, err = s.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: sdk.String(id)})
		require.NoError(t, err)
		assert.Equal(t, types.VolumeStateDeleting, state())
		_, err = s.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: sdk.String(id)})
		assert.Equal(t, "InvalidVolume.NotFound", code(err))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		assert.Empty(t, s.own())
	})
}

func TestDetachVolume_refuses(t *testing.T) {
	s := newStand(t, aws.Config{})
	id, free := s.create(t, "1"), s.create(t, "2")
	_, err := s.attach(t.Context(), id, "/dev/sdf")
	require.NoError(t, err)
	other := s.AddInstance(aws.InstanceSpec{})
	detach := func(volume, instance string) error {
		_, err := s.DetachVolume(t.Context(), &ec2.DetachVolumeInput{VolumeId: sdk.String(volume), InstanceId: sdk.String(instance)})
		return err
	}
	assert.Equal(t, "InvalidAttachment.NotFound", code(detach(id, other.ID)))
	assert.Equal(t, "IncorrectState", code(detach(free, s.node.ID)))
	assert.Equal(t, "OperationNotPermitted", code(detach(s.node.RootVolume, s.node.ID)))
	assert.Equal(t, "InvalidVolume.NotFound", code(detach("vol-0123456789abcdef0", s.node.ID)))
}

func TestDeleteOnTermination(t *testing.T) {
	s := newStand(t, aws.Config{})
	kept, gone := s.create(t, "1"), s.create(t, "2")
	for id, device := range map[string]string{kept: "/dev/sdf", gone: "/dev/sdg"} {
		_, err := s.attach(t.Context(), id, device)
		require.NoError(t, err)
	}
	set := func(device string) error {
		_, err := s.ModifyInstanceAttribute(t.Context(), &ec2.ModifyInstanceAttributeInput{InstanceId: sdk.String(s.node.ID),
			BlockDeviceMappings: []types.InstanceBlockDeviceMappingSpecification{{DeviceName: sdk.String(device), Ebs: &types.EbsInstanceBlockDeviceSpecification{DeleteOnTermination: sdk.Bool(true)}}}})
		return err
	}
	require.NoError(t, set("/dev/sdg"))
	assert.Equal(t, "InvalidInstanceAttributeValue", code(set("/dev/sdz")))
	assert.True(t, *s.describe(t, gone).Attachments[0].DeleteOnTermination)
	assert.False(t, *s.describe(t, kept).Attachments[0].DeleteOnTermination)

	s.SetInstanceState(s.node.ID, "terminated")
	require.Len(t, s.Volumes(), 1, "neither the root volume nor the one that was to go with the instance")
	assert.Equal(t, kept, s.Volumes()[0].ID)
	assert.Equal(t, aws.Available, s.Volumes()[0].State)
	assert.Empty(t, s.disks.Seen(s.node.ID))
}

func TestCreateTags(t *testing.T) {
	s := newStand(t, aws.Config{})
	id := s.create(t, "1")
	_, err := s.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id, s.node.ID}, Tags: []types.Tag{{Key: sdk.String("a/b"), Value: sdk.String("c")}}})
	require.NoError(t, err)
	v, _ := s.Volume(id)
	assert.Equal(t, map[string]string{cluster: "c1", "a/b": "c"}, v.Tags)
	i, _ := s.Instance(s.node.ID)
	assert.Equal(t, "c", i.Tags["a/b"])
	_, err = s.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{"vol-0123456789abcdef0"}, Tags: []types.Tag{{Key: sdk.String("a"), Value: sdk.String("c")}}})
	assert.Equal(t, "InvalidVolume.NotFound", code(err))
}

package aws_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/aws"
)

// The cloud's process may end at any time: what it answered is so when it comes back.
func TestRestart_losesNothing(t *testing.T) {
	config := aws.Config{File: filepath.Join(t.TempDir(), "ec2.json"), Backend: aws.NewMemory(), Takes: aws.Takes{Attach: 300 * time.Millisecond}, Policies: map[string][]aws.Policy{"node": {shipped(t, "node.json")}}}
	cloud, err := aws.Open(config)
	require.NoError(t, err)
	s := &stand{Cloud: cloud, node: cloud.AddInstance(aws.InstanceSpec{Zone: zone, Tags: map[string]string{cluster: "c1"}})}
	keys, err := s.Credentials(s.node.ID)
	require.NoError(t, err)
	s.Client = client(serve(t, cloud), keys)
	present, attaching := s.create(t, "1"), s.create(t, "2")
	_, err = s.attach(t.Context(), present, "/dev/sdf")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return len(s.describe(t, present).Attachments) == 1 && s.describe(t, present).Attachments[0].State == types.VolumeAttachmentStateAttached
	}, 5*time.Second, time.Millisecond)
	_, err = s.attach(t.Context(), attaching, "/dev/sdg")
	require.NoError(t, err)
	before := s.Volumes()
	s.Close()

	disks := aws.NewMemory()
	config.Backend, config.Policies = disks, nil
	cloud, err = aws.Open(config)
	require.NoError(t, err)
	t.Cleanup(cloud.Close)
	s = &stand{Cloud: cloud, Client: client(serve(t, cloud), keys), node: s.node}
	after := s.Volumes()
	require.Len(t, after, len(before))
	for i := range before {
		assert.Equal(t, before[i].ID, after[i].ID)
		assert.Equal(t, before[i].Tags, after[i].Tags)
	}
	assert.Contains(t, disks.Seen(s.node.ID), present, "its machine has it still")
	assert.Equal(t, present, s.create(t, "1"), "tokens are remembered, and keys")
	require.Eventually(t, func() bool {
		return s.describe(t, attaching).Attachments[0].State == types.VolumeAttachmentStateAttached
	}, 5*time.Second, time.Millisecond, "what was under way goes on")
	untagged := wanted("3")
	untagged.TagSpecifications = nil
	_, err = s.CreateVolume(t.Context(), untagged)
	assert.Equal(t, "UnauthorizedOperation", code(err), "policies are remembered")
	fresh := s.create(t, "4")
	for _, v := range after {
		assert.NotEqual(t, v.ID, fresh, "ids are never used twice")
	}
}

package control_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/aws"
	"scaleio-framework/test/aws/control"
	"scaleio-framework/test/aws/iam"
	"scaleio-framework/test/aws/imds"
)

func TestSteering(t *testing.T) {
	ctx := t.Context()
	cloud := aws.New(aws.Config{})
	metadata := imds.New(cloud)
	server := httptest.NewServer(control.Handler(cloud, metadata))
	t.Cleanup(server.Close)
	c := control.Client{URL: server.URL}

	node, err := c.AddInstance(ctx, aws.InstanceSpec{Machine: "n1", Address: "10.77.0.11", Tags: map[string]string{"a/b": "c"}})
	require.NoError(t, err)
	again, err := c.AddInstance(ctx, aws.InstanceSpec{ID: node.ID, Machine: "n2"})
	require.NoError(t, err)
	assert.Equal(t, node.ID, again.ID)
	assert.Equal(t, "n1", again.Machine, "an instance that is there stays what it is")
	all, err := c.Instances(ctx)
	require.NoError(t, err)
	assert.Equal(t, cloud.Instances()[0].ID, all[0].ID)

	volumes, err := c.Volumes(ctx)
	require.NoError(t, err)
	require.Len(t, volumes, 1)
	assert.Equal(t, node.RootVolume, volumes[0].ID)
	assert.Equal(t, aws.Attached, volumes[0].Attachment.State)

	require.NoError(t, c.TagInstance(ctx, node.ID, map[string]string{"d": "e"}))
	tagged, _ := cloud.Instance(node.ID)
	assert.Equal(t, map[string]string{"a/b": "c", "d": "e"}, tagged.Tags)

	user, err := c.AddUser(ctx, "cleanup")
	require.NoError(t, err)
	assert.NotEmpty(t, user.Secret)
	policy, err := iam.Parse([]byte(`{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`))
	require.NoError(t, err)
	require.NoError(t, c.SetPolicies(ctx, "cleanup", policy))
	require.NoError(t, c.Inject(ctx, aws.Fault{Action: "CreateVolume", Code: "InternalError", Delay: time.Second}))
	require.NoError(t, c.Heal(ctx))
	require.NoError(t, c.SetQuota(ctx, aws.Quota{Volumes: 1}))
	require.NoError(t, c.SetThrottle(ctx, map[string]aws.Rate{"*": {Burst: 1}}))
	require.NoError(t, c.SetTrouble(ctx, node.ID, imds.Trouble{Silent: true}))
	require.NoError(t, c.SetNotices(ctx, node.ID, imds.Notices{Lifecycle: "Terminated"}))
	require.NoError(t, c.SetInstanceState(ctx, node.ID, "terminated"))
	gone, _ := cloud.Instance(node.ID)
	assert.Equal(t, "terminated", gone.State)

	counts, err := c.Counts(ctx)
	require.NoError(t, err)
	assert.Empty(t, counts)
	calls, err := c.Calls(ctx)
	require.NoError(t, err)
	assert.Empty(t, calls)
	seen, err := c.MetadataCalls(ctx)
	require.NoError(t, err)
	assert.Empty(t, seen)

	server.Close()
	assert.ErrorContains(t, c.Heal(ctx), "asking the stand-in cloud for heal")
}

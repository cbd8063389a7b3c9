package aws_test

import (
	"net/http"
	"os"
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
	"scaleio-framework/test/aws/iam"
)

// shipped is a policy of packaging/iam, for the cluster c1.
func shipped(t *testing.T, name string) aws.Policy {
	t.Helper()
	document, err := os.ReadFile("../../packaging/iam/" + name)
	require.NoError(t, err)
	require.Contains(t, string(document), "CLUSTER_UUID")
	policy, err := iam.Parse([]byte(strings.ReplaceAll(string(document), "CLUSTER_UUID", "c1")))
	require.NoError(t, err)
	return policy
}

// limited is a stand where instances may do what packaging/iam/node.json says.
func limited(t *testing.T, more ...aws.Policy) *stand {
	t.Helper()
	return newStand(t, aws.Config{Policies: map[string][]aws.Policy{
		"node": append(more, shipped(t, "node.json")), "cleanup": {shipped(t, "cleanup.json")},
	}})
}

// foreign is a volume of another cluster.
func (s *stand) foreign(t *testing.T) string {
	t.Helper()
	in := wanted("foreign")
	in.TagSpecifications[0].Tags[0].Value = sdk.String("c2")
	made, err := client(s.address, s.AddUser("anybody")).CreateVolume(t.Context(), in)
	require.NoError(t, err)
	return *made.VolumeId
}

func TestNodePolicy_allowsWhatNodesDo(t *testing.T) {
	s := limited(t)
	id := s.create(t, "1")
	_, err := s.attach(t.Context(), id, "/dev/sdf")
	require.NoError(t, err)
	s.describe(t, id)
	_, err = s.DescribeInstanceTypes(t.Context(), &ec2.DescribeInstanceTypesInput{})
	require.NoError(t, err)
}

func TestNodePolicy_deniesAllElse(t *testing.T) {
	s := limited(t)
	own, foreign := s.create(t, "1"), s.foreign(t)
	alien := s.AddInstance(aws.InstanceSpec{Zone: zone, Tags: map[string]string{cluster: "c2"}})
	volume := func(change func(*ec2.CreateVolumeInput)) error {
		in := wanted("x")
		change(in)
		_, err := s.CreateVolume(t.Context(), in)
		return err
	}
	attach := func(id, instance string) error {
		_, err := s.AttachVolume(t.Context(), &ec2.AttachVolumeInput{VolumeId: sdk.String(id), InstanceId: sdk.String(instance), Device: sdk.String("/dev/sdf")})
		return err
	}
	tag := func(id, value string) error {
		_, err := s.CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: sdk.String(cluster), Value: sdk.String(value)}}})
		return err
	}
	for name, err := range map[string]error{
		"a volume without the tag":     volume(func(in *ec2.CreateVolumeInput) { in.TagSpecifications = nil }),
		"a volume of another cluster":  volume(func(in *ec2.CreateVolumeInput) { in.TagSpecifications[0].Tags[0].Value = sdk.String("c2") }),
		"attaching another's volume":   attach(foreign, s.node.ID),
		"attaching to another's":       attach(own, alien.ID),
		"making another's volume ours": tag(foreign, "c1"),
		"tagging what is ours":         tag(own, "c1"),
		"deleting": func() error {
			_, err := s.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: sdk.String(own)})
			return err
		}(),
		"detaching": func() error {
			_, err := s.DetachVolume(t.Context(), &ec2.DetachVolumeInput{VolumeId: sdk.String(s.node.RootVolume)})
			return err
		}(),
		"changing instances": s.endWithInstance(t),
		"looking at more":    func() error { _, err := s.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{}); return err }(),
		"a dry run":          volume(func(in *ec2.CreateVolumeInput) { in.TagSpecifications, in.DryRun = nil, sdk.Bool(true) }),
	} {
		assert.Equal(t, "UnauthorizedOperation", code(err), "%s: %v", name, err)
	}
	assert.ErrorContains(t, attach(foreign, s.node.ID), "is not authorized to perform: ec2:AttachVolume on resource: arn:aws:ec2:eu-central-1:123456789012:volume/"+foreign)
	assert.Len(t, s.own(), 2)
}

func (s *stand) endWithInstance(t *testing.T) error {
	_, err := s.ModifyInstanceAttribute(t.Context(), &ec2.ModifyInstanceAttributeInput{InstanceId: sdk.String(s.node.ID),
		BlockDeviceMappings: []types.InstanceBlockDeviceMappingSpecification{{DeviceName: sdk.String("/dev/xvda"), Ebs: &types.EbsInstanceBlockDeviceSpecification{DeleteOnTermination: sdk.Bool(false)}}}})
	return err
}

func TestDeleteOnTerminationPolicy(t *testing.T) {
	require.NoError(t, limited(t, shipped(t, "delete-on-termination.json")).endWithInstance(t))
}

func TestCleanupPolicy(t *testing.T) {
	s := limited(t)
	own, foreign := s.create(t, "1"), s.foreign(t)
	_, err := s.attach(t.Context(), own, "/dev/sdf")
	require.NoError(t, err)
	cleaner := client(s.address, s.AddUser("cleanup"))
	_, err = cleaner.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: sdk.String(foreign)})
	assert.Equal(t, "UnauthorizedOperation", code(err))
	_, err = cleaner.CreateVolume(t.Context(), wanted("2"))
	assert.Equal(t, "UnauthorizedOperation", code(err))
	_, err = cleaner.DetachVolume(t.Context(), &ec2.DetachVolumeInput{VolumeId: sdk.String(own), InstanceId: sdk.String(s.node.ID)})
	require.NoError(t, err)
	_, err = cleaner.DeleteVolume(t.Context(), &ec2.DeleteVolumeInput{VolumeId: sdk.String(own)})
	require.NoError(t, err)
	assert.Len(t, s.own(), 1)
}

func TestPoliciesChange(t *testing.T) {
	s := newStand(t, aws.Config{})
	s.create(t, "1")
	s.SetPolicies("node")
	_, err := s.CreateVolume(t.Context(), wanted("2"))
	assert.Equal(t, "UnauthorizedOperation", code(err), "a role without policies may do nothing")
}

func TestSignatures(t *testing.T) {
	s := newStand(t, aws.Config{})
	keys, err := s.Credentials(s.node.ID)
	require.NoError(t, err)
	ask := func(k aws.Credentials, change ...func(*ec2.Options)) string {
		_, err := client(s.address, k).DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{}, change...)
		return code(err)
	}
	other := func(change func(*aws.Credentials)) aws.Credentials { k := keys; change(&k); return k }
	assert.Empty(t, ask(keys))
	assert.Equal(t, "SignatureDoesNotMatch", ask(other(func(k *aws.Credentials) { k.Secret = "x" })))
	assert.Equal(t, "AuthFailure", ask(other(func(k *aws.Credentials) { k.AccessKey = "AKIAX" })))
	assert.Equal(t, "AuthFailure", ask(other(func(k *aws.Credentials) { k.Token = "x" })))
	assert.Equal(t, "AuthFailure", ask(keys, func(o *ec2.Options) { o.Region = "us-east-1" }))
	again, err := s.Credentials(s.node.ID)
	require.NoError(t, err)
	assert.Equal(t, keys, again)
	s.RevokeCredentials(s.node.ID)
	assert.Equal(t, "AuthFailure", ask(keys))

	answer, err := http.PostForm(s.address, nil)
	require.NoError(t, err)
	defer answer.Body.Close()
	assert.Equal(t, http.StatusBadRequest, answer.StatusCode, "unsigned")
}

func TestCredentialsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newBubbleStand(t, aws.Config{KeyLife: time.Hour})
		_, err := s.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{})
		require.NoError(t, err)
		old, err := s.Credentials(s.node.ID)
		require.NoError(t, err)
		time.Sleep(31 * time.Minute)
		fresh, err := s.Credentials(s.node.ID)
		require.NoError(t, err)
		assert.NotEqual(t, old.AccessKey, fresh.AccessKey, "rotated before the old ones end")
		time.Sleep(30 * time.Minute)
		_, err = s.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{})
		assert.Equal(t, "RequestExpired", code(err))
	})
}

func TestClockSkew(t *testing.T) {
	s := newStand(t, aws.Config{})
	s.SetSkew(10 * time.Minute)
	s.list(t, 0)
	s.SetSkew(-time.Hour)
	_, err := s.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{})
	assert.Equal(t, "RequestExpired", code(err))
	s.list(t, 0) // the client knows by now how far its clock is off
}

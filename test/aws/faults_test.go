package aws_test

import (
	"context"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/aws"
)

func (s *stand) tryCreate(t *testing.T, token string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := s.CreateVolume(ctx, wanted(token))
	return err
}

// A call may fail with nothing done, or with everything done; the caller can't tell which.
func TestFaults_beforeAndAfterTheEffect(t *testing.T) {
	for name, c := range map[string]struct {
		fault aws.Fault
		code  string // "" = the caller gets no answer
	}{
		"an error":      {aws.Fault{Code: "InternalError"}, "InternalError"},
		"unavailable":   {aws.Fault{Code: "Unavailable"}, "Unavailable"},
		"no answer":     {aws.Fault{Hang: true}, ""},
		"a broken line": {aws.Fault{Drop: true}, ""},
		"too slow":      {aws.Fault{Delay: time.Minute, After: true}, ""},
	} {
		for _, after := range []bool{false, true} {
			s := newStand(t, aws.Config{})
			c.fault.Action, c.fault.After = "CreateVolume", after || c.fault.Delay > 0
			s.Inject(c.fault)
			err := s.tryCreate(t, "token")
			require.Error(t, err, name)
			assert.Equal(t, c.code, code(err), name)
			made := 0
			if c.fault.After {
				made = 1
			}
			assert.Len(t, s.own(), made, "%s, after: %v", name, after)
			require.NoError(t, s.tryCreate(t, "token"), name)
			assert.Len(t, s.own(), 1, "%s: the token makes it one", name)
		}
	}
}

func TestFaults_nthAndTimes(t *testing.T) {
	s := newStand(t, aws.Config{})
	s.Inject(aws.Fault{Action: "CreateVolume", Nth: 2, Times: 2, Code: "RequestLimitExceeded"})
	var codes []string
	for _, token := range []string{"1", "2", "3", "4"} {
		codes = append(codes, code(s.tryCreate(t, token)))
	}
	assert.Equal(t, []string{"", "RequestLimitExceeded", "RequestLimitExceeded", ""}, codes)

	s.Inject(aws.Fault{Times: -1, Code: "RequestLimitExceeded"})
	for range 3 {
		_, err := s.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{})
		assert.Equal(t, "RequestLimitExceeded", code(err))
	}
	s.Heal()
	_, err := s.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{})
	require.NoError(t, err)
}

func TestFaults_ofOneInstance(t *testing.T) {
	s := newStand(t, aws.Config{})
	other := s.AddInstance(aws.InstanceSpec{})
	s.Inject(aws.Fault{Instance: other.ID, Times: -1, Code: "InternalError"})
	require.NoError(t, s.tryCreate(t, "1"))
	keys, err := s.Credentials(other.ID)
	require.NoError(t, err)
	_, err = client(s.address, keys).DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{})
	assert.Equal(t, "InternalError", code(err))
}

func TestFaults_stuck(t *testing.T) {
	s := newStand(t, aws.Config{})
	id := s.create(t, "1")
	s.Inject(aws.Fault{Action: "AttachVolume", Stuck: true})
	_, err := s.attach(t.Context(), id, "/dev/sdf")
	require.NoError(t, err)
	assert.Equal(t, types.VolumeAttachmentStateAttaching, s.describe(t, id).Attachments[0].State)
	assert.Empty(t, s.disks.Seen(s.node.ID))
	_, err = s.DetachVolume(t.Context(), &ec2.DetachVolumeInput{VolumeId: sdk.String(id)})
	require.NoError(t, err)
	assert.Equal(t, types.VolumeStateAvailable, s.describe(t, id).State, "detaching helps")
	_, err = s.attach(t.Context(), id, "/dev/sdg")
	require.NoError(t, err)
	assert.Contains(t, s.disks.Seen(s.node.ID), id)
}

func TestCallsAreRecorded(t *testing.T) {
	s := newStand(t, aws.Config{})
	s.create(t, "1")
	s.Inject(aws.Fault{Action: "CreateVolume", Code: "InternalError", After: true})
	require.Error(t, s.tryCreate(t, "2"))
	s.Inject(aws.Fault{Action: "CreateVolume", Hang: true})
	require.Error(t, s.tryCreate(t, "3"))
	s.list(t, 0)
	assert.Equal(t, map[string]int{"CreateVolume": 3, "DescribeVolumes": 1}, s.Counts())
	calls := s.Calls()
	require.Len(t, calls, 4)
	assert.Equal(t, "100", calls[0].Params.Get("Size"))
	assert.True(t, calls[0].Effect && calls[0].Mutating() && calls[0].Code == "")
	assert.True(t, calls[1].Effect && calls[1].Code == "InternalError")
	assert.True(t, !calls[2].Effect && calls[2].Lost)
	assert.False(t, calls[3].Mutating())
	assert.Equal(t, s.node.ID, calls[3].Instance)
	s.ForgetCalls()
	assert.Empty(t, s.Calls())
	assert.Empty(t, s.Counts())
}

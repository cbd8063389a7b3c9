package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/aws"
	"scaleio-framework/scheduler/api"
)

// watched runs the two loops.
func watched(t *testing.T, cloud *fakeCloud) *Agent {
	t.Helper()
	a := testAgent(t)
	a.Identity.ID, a.Cloud = instance, cloud
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _ = a.watchesCloud(ctx) }()
	go func() { _ = a.watchesSlots(ctx) }()
	t.Cleanup(cancel)
	return a
}

func TestCloud_isInTheReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := &fakeCloud{known: verified(instance)}
		a := watched(t, cloud)
		synctest.Wait()
		assert.Equal(t, &api.CloudView{Provider: "aws", InstanceID: instance, InstanceType: "m5.large", Region: "eu-west-1", Zone: "eu-west-1a", Verified: true}, a.report().Cloud)
		assert.False(t, hasCondition(a, api.ConditionInstanceUnverified))
		time.Sleep(time.Hour)
		synctest.Wait()
		looks, _ := cloud.count()
		assert.LessOrEqual(t, looks, 13, "at rest it asks seldom")

		drain(a.tell)
		cloud.change(func() { cloud.known = silent(instance) })
		time.Sleep(verifyEvery + noticesEvery)
		synctest.Wait()
		assert.Len(t, a.tell, 1, "told at once")
		view := a.report().Cloud
		assert.False(t, view.Verified)
		assert.Equal(t, aws.ReasonHopLimit, view.Reason)
		assert.Equal(t, instance, view.InstanceID, "the last verified one stays")
		assert.True(t, hasCondition(a, api.ConditionInstanceUnverified))
		before, _ := cloud.count()
		time.Sleep(10 * noticesEvery)
		synctest.Wait()
		looks, _ = cloud.count()
		assert.InDelta(t, before+10, looks, 1, "while it fails it is asked more often")
	})
}

func TestCloud_noticesAreConditions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := &fakeCloud{known: verified(instance)}
		a := watched(t, cloud)
		synctest.Wait()
		drain(a.tell)
		end := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
		cloud.change(func() { cloud.notices = []aws.Notice{{Kind: aws.NoticeSpot, What: "terminate", At: end}} })
		time.Sleep(noticesEvery)
		synctest.Wait()
		assert.Len(t, a.tell, 1)
		assert.Equal(t, []api.CloudNotice{{Kind: "spot-interruption", What: "terminate", At: end}}, a.report().Cloud.Notices)
		a.mu.Lock()
		c := a.conditionsLocked()
		a.mu.Unlock()
		require.Len(t, c, 1)
		assert.Equal(t, api.ConditionInstanceNotice, c[0].Type)
		assert.Equal(t, "SpotInterruption", c[0].Reason)
		assert.Contains(t, c[0].Message, "terminate")
		assert.Contains(t, c[0].Message, "2030-01-01T12:00:00Z")

		cloud.change(func() { cloud.notices, cloud.failing = nil, errors.New("no answer") })
		time.Sleep(noticesEvery)
		synctest.Wait()
		assert.Len(t, a.report().Cloud.Notices, 1, "silence takes no notice back")
		cloud.change(func() { cloud.failing = nil })
		time.Sleep(noticesEvery)
		synctest.Wait()
		assert.Empty(t, a.report().Cloud.Notices)
	})
}

func TestCloud_slotsAreCountedWhileTheSchedulerWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cloud := &fakeCloud{known: verified(instance), slots: aws.Slots{Max: 27, Used: 2}}
		a := watched(t, cloud)
		time.Sleep(time.Hour)
		_, asked := cloud.count()
		assert.Zero(t, asked, "without growth EC2 is never asked")
		_, err := a.take(api.Answer{Spec: api.NodeSpec{Node: a.Identity.ID, Growth: &api.NodeGrowth{WatchSlots: true, Endpoint: "http://ec2"}}}, time.Now())
		require.NoError(t, err)
		synctest.Wait()
		assert.Equal(t, []aws.Access{{Endpoint: "http://ec2"}}, cloud.asked)
		assert.Equal(t, 27, a.report().Cloud.SlotsMax)
		assert.Equal(t, 2, a.report().Cloud.SlotsUsed)
		cloud.change(func() { cloud.failing = errors.New("throttled") })
		time.Sleep(time.Hour)
		synctest.Wait()
		assert.Equal(t, 27, a.report().Cloud.SlotsMax)
		_, asked = cloud.count()
		assert.InDelta(t, 8, asked, 4)
	})
}

func TestCloud_absent(t *testing.T) {
	a := testAgent(t)
	assert.Nil(t, a.report().Cloud)
}

func TestConfig_metadataEndpoint(t *testing.T) {
	a := testAgent(t)
	none := func(string) string { return "" }
	endpoint, err := MetadataEndpoint(a.Files, none)
	require.NoError(t, err)
	assert.Empty(t, endpoint)
	require.NoError(t, a.Files.Write(ConfigFile, []byte("cluster: c1\nservers: [https://s:1]\nmetadataEndpoint: http://10.0.0.1:1338\n"), 0o644))
	endpoint, err = MetadataEndpoint(a.Files, none)
	require.NoError(t, err)
	assert.Equal(t, "http://10.0.0.1:1338", endpoint)
	endpoint, err = MetadataEndpoint(a.Files, func(name string) string { return map[string]string{EnvMetadataEndpoint: "http://env"}[name] })
	require.NoError(t, err)
	assert.Equal(t, "http://env", endpoint)
	for _, bad := range []string{"10.0.0.1", "ftp://x", "http://user:pw@x", "http://x/latest"} {
		_, err = MetadataEndpoint(a.Files, func(string) string { return bad })
		require.Error(t, err, bad)
		_, err = ParseConfig([]byte("metadataEndpoint: " + bad))
		require.Error(t, err, bad)
	}
	config, err := ParseConfig([]byte("metadataEndpoint: http://10.0.0.1\n"))
	require.NoError(t, err, "alone it names no cluster, and that is no fault")
	text, err := config.Marshal()
	require.NoError(t, err)
	assert.Contains(t, string(text), "metadataEndpoint: http://10.0.0.1")
}

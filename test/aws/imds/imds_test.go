package imds_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/aws"
	fake "scaleio-framework/test/aws/imds"
)

type stand struct {
	*fake.Service
	cloud *aws.Cloud
	node  aws.Instance
	url   string
}

func newStand(t *testing.T) *stand {
	t.Helper()
	cloud := aws.New(aws.Config{})
	s := &stand{Service: fake.New(cloud), cloud: cloud, node: cloud.AddInstance(aws.InstanceSpec{Address: "10.0.0.7"})}
	server := httptest.NewServer(s.For(s.node.ID))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// client as the product must make it: version 2 only, one attempt.
func (s *stand) client() *imds.Client {
	return imds.New(imds.Options{Endpoint: s.url, EnableFallback: sdk.FalseTernary, Retryer: sdk.NopRetryer{}})
}

func TestIdentityAndCredentials(t *testing.T) {
	s := newStand(t)
	said, err := s.client().GetInstanceIdentityDocument(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, s.node.ID, said.InstanceID)
	assert.Equal(t, "eu-central-1", said.Region)
	assert.Equal(t, "eu-central-1a", said.AvailabilityZone)
	assert.Equal(t, "m5.large", said.InstanceType)
	for _, call := range s.Calls() {
		assert.True(t, call.Token || call.Method == http.MethodPut, "%+v", call)
	}
	out, err := s.client().GetMetadata(t.Context(), &imds.GetMetadataInput{Path: "iam/security-credentials/node"})
	require.NoError(t, err)
	keys, err := io.ReadAll(out.Content)
	require.NoError(t, err)
	want, err := s.cloud.Credentials(s.node.ID)
	require.NoError(t, err)
	assert.Contains(t, string(keys), want.AccessKey)
}

func TestVersion1IsRefused(t *testing.T) {
	s := newStand(t)
	answer, err := http.Get(s.url + "/latest/meta-data/instance-id")
	require.NoError(t, err)
	defer answer.Body.Close()
	assert.Equal(t, http.StatusUnauthorized, answer.StatusCode)
}

func TestTroubles(t *testing.T) {
	for name, c := range map[string]struct {
		trouble fake.Trouble
		want    string // of the error; "" = it goes well
	}{
		"none":          {},
		"hop limit":     {fake.Trouble{HopLimit: true}, "deadline"},
		"silent":        {fake.Trouble{Silent: true}, "deadline"},
		"slow":          {fake.Trouble{Delay: 20 * time.Second}, "deadline"},
		"unauthorized":  {fake.Trouble{Status: 401}, "StatusCode: 401"},
		"off":           {fake.Trouble{Status: 403}, "403"},
		"not found":     {fake.Trouble{Status: 404, Path: "identity"}, "StatusCode: 404"},
		"blank":         {fake.Trouble{Blank: true}, "EOF"},
		"not that":      {fake.Trouble{Body: "<html>log in</html>"}, "invalid character"},
		"another path":  {fake.Trouble{Status: 500, Path: "spot/"}, ""},
		"another's own": {fake.Trouble{As: "i-0aaaaaaaaaaaaaaaa"}, "StatusCode: 404"}, // there is no such instance
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStand(t)
			s.SetTrouble(s.node.ID, c.trouble)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			said, err := s.client().GetInstanceIdentityDocument(ctx, nil)
			if c.want == "" {
				require.NoError(t, err)
				assert.Equal(t, s.node.ID, said.InstanceID)
				return
			}
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestWrongIdentity(t *testing.T) {
	s := newStand(t)
	other := s.cloud.AddInstance(aws.InstanceSpec{Zone: "eu-central-1c"})
	s.SetTrouble("", fake.Trouble{As: other.ID})
	said, err := s.client().GetInstanceIdentityDocument(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, other.ID, said.InstanceID)
}

func TestNotices(t *testing.T) {
	s := newStand(t)
	get := func(path string) (string, error) {
		out, err := s.client().GetMetadata(t.Context(), &imds.GetMetadataInput{Path: path})
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(out.Content)
		return string(text), err
	}
	for _, path := range []string{"spot/instance-action", "events/recommendations/rebalance", "autoscaling/target-lifecycle-state"} {
		_, err := get(path)
		assert.ErrorContains(t, err, "404", path)
	}
	text, err := get("events/maintenance/scheduled")
	require.NoError(t, err)
	assert.Equal(t, "[]", text)

	at := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	s.SetNotices(s.node.ID, fake.Notices{Spot: &fake.SpotAction{Action: "terminate", Time: at}, Rebalance: at, Lifecycle: "Terminated",
		Maintenance: []fake.MaintenanceEvent{{Code: "instance-retirement", NotBefore: "21 Jan 2027 09:00:43 GMT", State: "active"}}})
	for path, want := range map[string]string{
		"spot/instance-action": `"time": "2027-01-02T03:04:05Z"`, "events/recommendations/rebalance": `"noticeTime": "2027-01-02T03:04:05Z"`,
		"autoscaling/target-lifecycle-state": "Terminated", "events/maintenance/scheduled": `"Code": "instance-retirement"`,
	} {
		text, err := get(path)
		require.NoError(t, err, path)
		assert.Contains(t, text, want)
	}
}

// Callers are told apart by their address; one that is no instance has no such service.
func TestByAddress(t *testing.T) {
	cloud := aws.New(aws.Config{})
	server := httptest.NewServer(fake.New(cloud))
	t.Cleanup(server.Close)
	client := imds.New(imds.Options{Endpoint: server.URL, EnableFallback: sdk.FalseTernary, Retryer: sdk.NopRetryer{}})
	_, err := client.GetInstanceIdentityDocument(t.Context(), nil)
	require.Error(t, err)
	node := cloud.AddInstance(aws.InstanceSpec{Address: "127.0.0.1"})
	said, err := client.GetInstanceIdentityDocument(t.Context(), nil)
	require.NoError(t, err)
	assert.Equal(t, node.ID, said.InstanceID)
}

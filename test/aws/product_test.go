package aws_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform"
	product "scaleio-framework/platform/aws"
	"scaleio-framework/test/aws"
	"scaleio-framework/test/aws/imds"
)

// customer is a cloud with one instance, and the product's client on it, which may do what packaging/iam says.
type customer struct {
	*aws.Cloud
	*product.EC2
	node  aws.Instance
	disks *aws.Memory
	http  *http.Client
	files *platform.Files
}

// takes about what the real one does.
var takes = aws.Takes{Create: 1500 * time.Millisecond, Attach: 2 * time.Second, Appear: time.Second, Detach: time.Second, Delete: time.Second, Call: 100 * time.Millisecond}

// newCustomer must be made in a bubble: waits take no time there.
func newCustomer(t *testing.T, config aws.Config) *customer {
	t.Helper()
	c := &customer{disks: aws.NewMemory(), files: platform.NewFiles(platform.Root(t.TempDir()))}
	config.Backend = c.disks
	config.Policies = map[string][]aws.Policy{"node": {shipped(t, "node.json")}, "cleanup": {shipped(t, "cleanup.json")}}
	config.Takes = takes
	config.Reads = aws.Reads{Lag: time.Second, Jumpy: true}
	c.Cloud = aws.New(config)
	t.Cleanup(c.Close)
	c.node = c.AddInstance(aws.InstanceSpec{Type: "m7i.48xlarge", Zone: zone, Tags: map[string]string{cluster: "c1"}})
	c.http = &http.Client{Transport: inMemory(t, c.Cloud)}
	c.EC2 = c.as(t, "node")
	return c
}

// as is a client with the keys of a role in a file.
func (c *customer) as(t *testing.T, role string) *product.EC2 {
	t.Helper()
	keys := c.AddUser(role)
	require.NoError(t, c.files.Write("/"+role, fmt.Appendf(nil, "aws_access_key_id = %s\naws_secret_access_key = %s\n", keys.AccessKey, keys.Secret), 0o600))
	return product.NewEC2(product.EC2Options{
		Access: product.Access{Endpoint: "http://ec2", CredentialsFile: "/" + role}, Files: c.files, HTTP: c.http,
		Self: func(context.Context) (product.Instance, error) {
			return product.Instance{ID: c.node.ID, Type: c.node.Type, Region: c.Region(), Zone: c.node.Zone}, nil
		},
	})
}

func order(token string) product.NewVolume {
	return product.NewVolume{ClientToken: token, Zone: zone, Type: "gp3", SizeGiB: 100, Tags: map[string]string{cluster: "c1", "scaleio-framework/order": token}}
}

// bought has n volumes created and attached.
func (c *customer) bought(t *testing.T, n int) []string {
	t.Helper()
	var ids []string
	for i := range n {
		v, err := c.Create(t.Context(), order(fmt.Sprint(i)))
		require.NoError(t, err)
		ids = append(ids, v.ID)
	}
	ready, err := c.AwaitAvailable(t.Context(), ids...)
	require.NoError(t, err)
	require.Len(t, ready, n)
	for _, id := range ids {
		_, err := c.Attach(t.Context(), id)
		require.NoError(t, err)
	}
	attached, err := c.AwaitAttached(t.Context(), ids...)
	require.NoError(t, err)
	for _, id := range ids {
		a, here := attached[id].On(c.node.ID)
		require.True(t, here && a.State == product.Attached, "%+v", attached[id])
	}
	return ids
}

// cloudTime is what a volume takes EC2 at least, its two calls included.
func (c *customer) cloudTime() time.Duration { return takes.Create + takes.Attach + 2*takes.Call }

// Two calls that change something for each volume; of those that look, less than a tenth of one at 100.
func TestProduct_callsPerVolume(t *testing.T) {
	for _, n := range []int{1, 10, 100} {
		synctest.Test(t, func(t *testing.T) {
			c := newCustomer(t, aws.Config{})
			began := time.Now()
			ids := c.bought(t, n)
			took := time.Since(began)
			time.Sleep(time.Second)
			synctest.Wait()
			assert.Len(t, c.disks.Seen(c.node.ID), n)
			counts := c.Counts()
			assert.Equal(t, n, counts["CreateVolume"])
			assert.Equal(t, n, counts["AttachVolume"])
			looks := 0
			for action, count := range counts {
				if action != "CreateVolume" && action != "AttachVolume" {
					looks += count
				}
			}
			t.Logf("%d volumes: %v in %v, of which EC2's are %v and reads that lag by up to %v", n, counts, took, c.cloudTime(), time.Second)
			if n == 100 {
				assert.LessOrEqual(t, looks, n/10)
			}
			assert.Len(t, c.Volumes(), len(ids)+1)
		})
	}
}

// The worst hour of EC2: throttled, failing before and after the effect, answers that never come. One volume per token, whatever happens.
func TestProduct_oneVolumePerToken(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			c := newCustomer(t, aws.Config{Seed: seed, Throttle: map[string]aws.Rate{"*": {Burst: 3, PerSecond: 1}}})
			faults := []aws.Fault{{Code: "RequestLimitExceeded"}, {Code: "Unavailable"}, {Code: "InternalError", After: true}, {Drop: true}, {Drop: true, After: true}, {Hang: true, After: true}, {Delay: 20 * time.Second}}
			for i, f := range faults {
				f.Nth = 1 + (i*5+int(seed)*3)%17
				c.Inject(f)
			}
			for i := range 5 {
				created := product.Volume{}
				require.Eventually(t, func() bool {
					v, err := c.Create(t.Context(), order(fmt.Sprint(i)))
					created = v
					return err == nil
				}, time.Hour, time.Second)
				require.Eventually(t, func() bool {
					seen, err := c.AwaitAvailable(t.Context(), created.ID)
					return err == nil && seen[created.ID].State == product.VolumeAvailable
				}, time.Hour, time.Second)
				require.Eventually(t, func() bool {
					_, err := c.Attach(t.Context(), created.ID)
					return err == nil
				}, time.Hour, time.Second)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			assert.Len(t, c.Volumes(), 6, "five, and the root")
			assert.Len(t, c.disks.Seen(c.node.ID), 5)
		})
	}
}

func TestProduct_failuresHaveTheirKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCustomer(t, aws.Config{})
		ids := c.bought(t, 2)
		err := c.Detach(t.Context(), ids[0])
		require.ErrorIs(t, err, product.ErrDenied, "nodes don't")
		require.ErrorIs(t, c.SetDeleteOnTermination(t.Context(), ids[0], true), product.ErrDenied)
		_, err = c.Create(t.Context(), func() product.NewVolume { o := order("x"); o.Tags = map[string]string{"a": "b"}; return o }())
		require.ErrorIs(t, err, product.ErrDenied, "without the cluster's tag")

		cleaner := c.as(t, "cleanup")
		require.NoError(t, cleaner.Detach(t.Context(), ids[0]))
		time.Sleep(5 * time.Second)
		require.ErrorIs(t, c.Delete(t.Context(), ids[0], map[string]string{cluster: "c1"}), product.ErrDenied, "nodes don't")
		require.ErrorIs(t, cleaner.Delete(t.Context(), ids[1], map[string]string{cluster: "c1"}), product.ErrConflict, "attached")
		require.NoError(t, cleaner.Delete(t.Context(), ids[0], map[string]string{cluster: "c1"}))
		time.Sleep(5 * time.Second)
		_, err = c.Create(t.Context(), order("0"))
		require.ErrorIs(t, err, product.ErrBurnt)

		for kind, quota := range map[error]aws.Quota{product.ErrLimit: {Volumes: 1}, product.ErrCapacity: {ZoneGiB: map[string]int{zone: 0}}} {
			c.SetQuota(quota)
			_, err = c.Create(t.Context(), order("y"))
			require.ErrorIs(t, err, kind)
		}
		assert.Len(t, c.Volumes(), 2)
	})
}

// The role's credentials come from the metadata service, as on an instance.
func TestProduct_withTheInstancesRole(t *testing.T) {
	cloud := aws.New(aws.Config{Policies: map[string][]aws.Policy{"node": {shipped(t, "node.json")}}})
	node := cloud.AddInstance(aws.InstanceSpec{Zone: zone, Tags: map[string]string{cluster: "c1"}})
	metadata := product.NewMetadata(product.Place{}, serve(t, imds.New(cloud).For(node.ID)))
	self, err := metadata.Look(t.Context())
	require.NoError(t, err)
	assert.Equal(t, product.Instance{ID: node.ID, Type: "m5.large", Region: "eu-central-1", Zone: zone, Account: "123456789012"}, self)
	e := product.NewEC2(product.EC2Options{Access: product.Access{Endpoint: serve(t, cloud)}, Metadata: metadata,
		Self: func(context.Context) (product.Instance, error) { return self, nil }})
	v, err := e.Create(t.Context(), order("1"))
	require.NoError(t, err)
	found, err := e.Tagged(t.Context(), map[string]string{cluster: "c1"})
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Equal(t, v.ID, found[0].ID)
	slots, err := e.Slots(t.Context())
	require.NoError(t, err)
	assert.Equal(t, product.Slots{Max: 27, Used: 1, Attached: slots.Attached}, slots)
	assert.Len(t, slots.Attached, 1)
}

//go:build nodes

package cases_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
	"scaleio-framework/systemd"
	"scaleio-framework/test/aws"
	"scaleio-framework/test/aws/imds"
)

// whatPasses is injected before anybody buys: storms, lost answers, wrong clocks and old keys cost time and nothing else.
func (f *faulted) whatPasses() func() {
	first, second, third := f.node(0), f.node(1), f.node(2)
	f.inject(first, aws.Fault{Action: "CreateVolume", Times: 2, Code: "RequestLimitExceeded"}, aws.Fault{Action: "CreateVolume", Nth: 3, Code: "ServiceUnavailable"},
		aws.Fault{Action: "AttachVolume", Delay: 3 * time.Second})
	f.inject(second, aws.Fault{Action: "CreateVolume", After: true, Drop: true}, aws.Fault{Action: "AttachVolume", After: true, Code: "InternalError"})
	f.inject(third, aws.Fault{Action: "CreateVolume", Code: "RequestExpired"}, aws.Fault{Action: "AttachVolume", Code: "ExpiredToken"},
		aws.Fault{Action: "AttachVolume", Nth: 2, Code: "InvalidParameterValue", Message: "Invalid value '/dev/xvdba' for unixDevice. Attachment point /dev/xvdba is already in use"})
	return func() {
		orders := f.ends(1, 4*time.Minute)
		assert.Equal(f.t, len(orders), inPool(orders), "%+v", orders)
		volumes, err := f.Volumes(f.t.Context())
		require.NoError(f.t, err)
		assert.Len(f.t, volumes, len(orders), "exactly what was planned")
		assert.NoError(f.t, f.BoughtAndPooled(f.t.Context()))
		for node, codes := range map[string][]string{first: {"RequestLimitExceeded", "ServiceUnavailable"}, second: {"InternalError"},
			third: {"RequestExpired", "ExpiredToken", "InvalidParameterValue"}} {
			for _, code := range codes {
				f.answered(node, code)
			}
		}
	}
}

// lies of a gateway, and how a person is told of each.
var lies = []struct{ statistics, told string }{
	{`{"maxCapacityInKb": 0, "capacityInUseInKb": 0}`, "nothing in use"},
	{`{"maxCapacityInKb": null}`, "no capacity"},
	{`{"capacityInUseInKb": null}`, "nothing in use"},
	{`{"capacityInUseInKb": 999999999999}`, "more in use"},
}

// samples: the pool is over its threshold and would grow, but for what the gateways say of it now. What was seen before counts no more when they say it no longer.
func (f *faulted) samples() {
	before := f.started()
	for _, lie := range lies {
		f.lie(`{"poolStatistics": ` + lie.statistics + `}`)
		f.eventually(time.Minute, func(ctx context.Context) error {
			plan, err := f.Plan(ctx)
			if err == nil && (plan.Growth == nil || !strings.Contains(plan.Growth.Waiting, lie.told)) {
				err = fmt.Errorf("of %s nobody is told: %+v", lie.statistics, plan.Growth)
			}
			return err
		})
	}
	require.Len(f.t, f.started(), len(before), "decided on what can't be true")
	f.mayNotBuy() // what the next expansion meets
	f.lie(`{}`)
	healed := time.Now()
	f.eventually(2*time.Minute, func(context.Context) error {
		if len(f.started()) == len(before) {
			return fmt.Errorf("nothing is decided: %s", tellOf(f.story()))
		}
		return nil
	})
	decided := f.started()[len(before)].Time
	assert.Greater(f.t, decided.Sub(healed), 20*time.Second, "half a minute of samples, one of which may be as old as a report")
}

func (f *faulted) started() []api.Event {
	return slices.DeleteFunc(f.story(), func(e api.Event) bool { return e.Kind != "GrowthStarted" })
}

func tellOf(story []api.Event) string {
	var lines []string
	for _, e := range story {
		lines = append(lines, e.Kind+" "+e.Message)
	}
	return strings.Join(lines, "\n")
}

// lie of the gateways on all nodes.
func (f *faulted) lie(text string) {
	f.t.Helper()
	for _, node := range f.Nodes() {
		require.NoError(f.t, node.WriteFile("/etc/scaleio-standin/faults.json", []byte(text), 0o644))
	}
}

// deviceLate is how long after its attachment a device appears.
const deviceLate = 20 * time.Second

func (f *faulted) mayNotBuy() {
	f.inject(f.node(0), aws.Fault{Action: "CreateVolume", Code: "IdempotentParameterMismatch"})
	f.inject(f.node(1), aws.Fault{Action: "CreateVolume", Times: -1, Code: "UnauthorizedOperation"})
}

// denied: one node's role lacks a right, so the expansion does without it; another's token is called used up once, and it is asked again with the same one.
func (f *faulted) denied() {
	orders := f.ends(2, 4*time.Minute)
	f.inPoolBut(f.node(1), orders)
	f.told("GrowthOrderGivenUp", f.node(1), "Denied")
	f.answered(f.node(0), "IdempotentParameterMismatch")
	f.healed()
	f.inject(f.node(0), aws.Fault{Action: "CreateVolume", Times: -1, Code: "InsufficientVolumeCapacity"})
	f.inject(f.node(1), aws.Fault{Action: "AttachVolume", Times: -1, Stuck: true})
	require.NoError(f.t, f.Cloud().SetAppear(f.t.Context(), deviceLate))
}

// cantHave: one zone has no capacity; on another node an attachment gets stuck, and what was bought for it is kept and told of; the third one's device comes late.
func (f *faulted) cantHave() {
	orders := f.ends(3, 4*time.Minute)
	f.inPoolBut(f.node(0), slices.DeleteFunc(slices.Clone(orders), func(o api.OrderView) bool { return o.Node == f.node(1) }))
	f.inPoolBut(f.node(1), slices.DeleteFunc(slices.Clone(orders), func(o api.OrderView) bool { return o.Node == f.node(0) }))
	f.told("GrowthOrderGivenUp", f.node(0), "NoCapacity")
	f.told("GrowthOrderGivenUp", f.node(1), "AttachStuck")
	f.told("GrowthVolumeKept", f.node(1), "")
	bought, given := f.last("GrowthVolumeBought", f.node(2)), f.last("GrowthHandedOver", f.node(2))
	assert.Greater(f.t, given.Sub(bought), deviceLate, "it wasn't late")
	f.healed()
	require.NoError(f.t, f.Cloud().SetAppear(f.t.Context(), 0))
}

func (f *faulted) healed() { require.NoError(f.t, f.Cloud().Heal(f.t.Context())) }

// inPoolBut: what all nodes but one were to bring is in the pool, and nothing of that one.
func (f *faulted) inPoolBut(node string, orders []api.OrderView) {
	f.t.Helper()
	others := 0
	for _, o := range orders {
		assert.Equal(f.t, o.Node != node, o.InPool, "%+v", o)
		if o.Node != node {
			others++
		}
	}
	assert.Positive(f.t, others)
	assert.Less(f.t, others, len(orders))
}

// told of an event of a node, whose text has a word.
func (f *faulted) told(kind, node, word string) {
	f.t.Helper()
	story := f.story()
	assert.True(f.t, slices.ContainsFunc(story, func(e api.Event) bool {
		return e.Kind == kind && e.Node == node && strings.Contains(e.Message+" "+e.Why, word)
	}), "no %s of %s with %q:\n%s", kind, node, word, tellOf(story))
}

// last time that something was told of a node.
func (f *faulted) last(kind, node string) (at time.Time) {
	for _, e := range f.story() {
		if e.Kind == kind && e.Node == node {
			at = e.Time
		}
	}
	return at
}

// unverified: a node whose instance nobody confirms stays who it is and serves on; nothing is bought for it, and where it is needed, nothing at all.
func (f *faulted) unverified() {
	ctx := f.t.Context()
	node := f.Nodes()[2]
	before, err := f.Volumes(ctx)
	require.NoError(f.t, err)
	for _, x := range []struct {
		reason  string
		trouble imds.Trouble
	}{
		{"MetadataHopLimit", imds.Trouble{HopLimit: true}},
		{"MetadataBlank", imds.Trouble{Blank: true}},
		{"MetadataUnauthorized", imds.Trouble{Status: 401}},
		{"MetadataNotFound", imds.Trouble{Status: 404}},
		{"MetadataSlow", imds.Trouble{Delay: 30 * time.Second, Path: "identity"}}, // a token that is late looks like one that the hop limit keeps back
	} {
		require.NoError(f.t, f.Cloud().SetTrouble(ctx, f.instance[node.Name], x.trouble))
		_, err := node.Output(ctx, "systemctl", "kill", "--signal=SIGKILL", systemd.AgentUnit) // a new process has verified nothing yet
		require.NoError(f.t, err)
		f.eventually(time.Minute, func(ctx context.Context) error { return f.toldUnverified(ctx, node.Name, x.reason) })
	}
	after, err := f.Volumes(ctx)
	require.NoError(f.t, err)
	assert.Len(f.t, after, len(before))
	require.NoError(f.t, f.Cloud().SetTrouble(ctx, f.instance[node.Name], imds.Trouble{}))
}

// toldUnverified where a person looks: at the node, and at what growth would do.
func (f *faulted) toldUnverified(ctx context.Context, name, reason string) error {
	status, err := f.Status(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(status.Nodes, func(n api.NodeStatus) bool { return n.Hostname == name })
	if i < 0 {
		return fmt.Errorf("%s isn't among the nodes", name)
	}
	if !slices.ContainsFunc(status.Nodes[i].Conditions, func(c api.Condition) bool { return c.Type == api.ConditionInstanceUnverified && c.Reason == reason }) {
		return fmt.Errorf("%s doesn't tell %s: %+v", name, reason, status.Nodes[i].Conditions)
	}
	plan, err := f.Plan(ctx)
	if err != nil {
		return err
	}
	if plan.Growth == nil || plan.Growth.Next == nil || !strings.Contains(plan.Growth.Next.Refused, reason) {
		return fmt.Errorf("the plan doesn't tell %s: %+v", reason, plan.Growth)
	}
	return nil
}

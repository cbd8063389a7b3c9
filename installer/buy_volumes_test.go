package installer_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/installer"
	"scaleio-framework/installer/installertest"
	"scaleio-framework/installer/step"
	"scaleio-framework/platform/aws"
	"scaleio-framework/platform/block"
	"scaleio-framework/scheduler/api"
)

func order(index int) api.VolumeOrder {
	return api.VolumeOrder{Expansion: "5f0c", Index: index, Attempt: 1, SizeGiB: 120, Type: "gp3", Zone: "eu-west-1a"}
}

// buying gives a node that an expansion ordered volumes of.
func buying(orders ...api.VolumeOrder) *installertest.Node {
	n := one()
	n.NewCloud()
	n.Spec.Disks = api.DiskPolicy{Use: api.DiskUseApprove}
	n.Spec.Growth = &api.NodeGrowth{Orders: orders, Tags: map[string]string{"team": "storage"}}
	return n
}

// buy makes passes over the one step for as long as it is needed, as the engine would.
func buy(t *testing.T, i *installer.Installer, n *installertest.Node, passes int) step.Finding {
	t.Helper()
	var f step.Finding
	for range passes {
		s := in(t, i, n, "buy-volumes")
		var err error
		f, err = s.Check(t.Context())
		require.NoError(t, err)
		if f.Verdict == step.Needed {
			_ = s.Apply(t.Context()) // what it says the states say too
		}
		time.Sleep(2 * time.Second)
	}
	f, err := in(t, i, n, "buy-volumes").Check(t.Context())
	require.NoError(t, err)
	return f
}

func stateOf(t *testing.T, i *installer.Installer, n *installertest.Node, index int) api.OrderState {
	t.Helper()
	states := i.Observe(t.Context(), n.Input()).Orders
	require.Greater(t, len(states), index)
	return states[index]
}

func TestBuyVolumes_offersWhatItBought(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0), order(1))
		i := n.Installer()
		assert.Equal(t, api.OrderWaiting, stateOf(t, i, n, 0).Stage)
		require.Equal(t, step.Satisfied, buy(t, i, n, 1).Verdict)

		all := n.Cloud.All()
		require.Len(t, all, 2)
		assert.Equal(t, 1, n.Cloud.Asked("tagged"), "one look for all")
		assert.Equal(t, 1, n.Cloud.Asked("await"))
		for index := range 2 {
			s := stateOf(t, i, n, index)
			assert.Equal(t, api.OrderPresent, s.Stage)
			assert.Equal(t, s.VolumeID, s.Disk)
			v := all[s.VolumeID]
			assert.Equal(t, 120, v.SizeGiB)
			assert.Equal(t, "gp3", v.Type)
			assert.Equal(t, map[string]string{"team": "storage", api.TagCluster: "c", api.TagNode: n.Spec.Node, api.TagExpansion: "5f0c", api.TagOrder: fmt.Sprintf("%d.1", index)}, v.Tags)
			assert.Equal(t, api.DiskOffered, diskOf(t, i, n, s.Disk).State, "the expansion's approval is the disk's")
		}
		n.Spec.Disks.Use = api.DiskUseNone
		assert.Equal(t, api.DiskRefused, diskOf(t, i, n, stateOf(t, i, n, 0).Disk).State, "nothing is given where nothing is to be given")
	})
}

func TestBuyVolumes_whatIsHereCostsNoCall(t *testing.T) {
	n := buying(order(0))
	n.Spec.Growth.Orders[0].VolumeID = "vol-1"
	n.Disks.Attach(block.Disk{ID: "vol-1", Path: "/dev/nvme1n1", SizeBytes: 120 << 30, Type: block.TypeDisk})
	i := n.Installer()
	assert.Equal(t, step.Satisfied, look(t, i, n, "buy-volumes").Verdict)
	assert.Equal(t, api.OrderPresent, stateOf(t, i, n, 0).Stage)
	assert.Zero(t, n.Cloud.Asked("tagged"))
}

func TestBuyVolumes_onlyTheRightDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0))
		n.Cloud.DeviceLate = true
		n.Disks.Attach(block.Disk{ID: "wwn-x", Path: "/dev/sdba", SizeBytes: 120 << 30, Type: block.TypeDisk, Transport: "scsi"})
		i := n.Installer()
		f := buy(t, i, n, 20)
		assert.Equal(t, step.Waiting, f.Verdict, f.Message)
		assert.Equal(t, api.OrderAttached, stateOf(t, i, n, 0).Stage, "a letter says nothing where disks have serials")
		id := stateOf(t, i, n, 0).VolumeID
		n.Disks.Attach(block.Disk{ID: id, Path: "/dev/nvme7n1", SizeBytes: 119 << 30, Type: block.TypeDisk})
		assert.Equal(t, api.OrderAttached, stateOf(t, i, n, 0).Stage, "the size is another")
		n.Disks.Detach("/dev/nvme7n1")
		n.Cloud.Appear()
		assert.Equal(t, api.OrderPresent, stateOf(t, i, n, 0).Stage)
		n.Disks.Attach(block.Disk{ID: id, Path: "/dev/nvme8n1", SizeBytes: 120 << 30, Type: block.TypeDisk})
		assert.Equal(t, api.OrderAttached, stateOf(t, i, n, 0).Stage, "two of one identity are none")
	})
}

func TestBuyVolumes_askedWithoutTheSchedulersWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0))
		n.Unheard = api.OrderTTL
		i := n.Installer()
		buy(t, i, n, 3)
		assert.Equal(t, "OrderNotConfirmed", stateOf(t, i, n, 0).Reason)
		assert.Zero(t, n.Cloud.Asked("create"))
		n.Unheard = 0
		assert.Equal(t, step.Satisfied, buy(t, i, n, 10).Verdict)
	})
}

// Who isn't confirmed asks nothing of EC2; what EC2 said before stands, and since when.
func TestBuyVolumes_refusedAndUnconfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0))
		n.Cloud.Refuse("create", aws.ErrDenied, aws.ErrDenied)
		i := n.Installer()
		buy(t, i, n, 1)
		n.Unheard = api.OrderTTL
		buy(t, i, n, 40)
		assert.Equal(t, "Denied", stateOf(t, i, n, 0).Reason)
		assert.Equal(t, 1, n.Cloud.Asked("create"))
		n.Unheard = 0
		buy(t, i, n, 10)
		s := stateOf(t, i, n, 0)
		assert.Equal(t, api.OrderFailed, s.Stage, s.Message)
		assert.Equal(t, "Denied", s.Reason)
	})
}

// Every way in which EC2 can refuse, and what becomes of the order.
func TestBuyVolumes_refused(t *testing.T) {
	many := func(err error) []error {
		all := make([]error, 200)
		for i := range all {
			all[i] = err
		}
		return all
	}
	for name, c := range map[string]struct {
		call   string
		errs   []error
		passes int
		want   api.OrderState
		there  int
	}{
		"throttled, then let through":   {"create", many(aws.ErrThrottled)[:3], 5, api.OrderState{Stage: api.OrderPresent}, 1},
		"throttled all the time":        {"create", many(aws.ErrThrottled), 5, api.OrderState{Stage: api.OrderWaiting, Reason: "Throttled", Retry: true}, 0},
		"no capacity":                   {"create", many(aws.ErrCapacity), 2, api.OrderState{Stage: api.OrderFailed, Reason: "NoCapacity"}, 0},
		"invalid":                       {"create", many(aws.ErrInvalid), 2, api.OrderState{Stage: api.OrderFailed, Reason: "Invalid"}, 0},
		"denied for a moment":           {"create", many(aws.ErrDenied)[:5], 8, api.OrderState{Stage: api.OrderPresent}, 1},
		"denied for good":               {"create", many(aws.ErrDenied), 40, api.OrderState{Stage: api.OrderFailed, Reason: "Denied"}, 0},
		"the account's limit":           {"create", many(aws.ErrLimit), 60, api.OrderState{Stage: api.OrderFailed, Reason: "LimitReached"}, 0},
		"the token is burnt":            {"create", many(aws.ErrBurnt), 60, api.OrderState{Stage: api.OrderWaiting, Reason: "TokenBurnt", Burnt: true}, 0},
		"the token made something":      {"create", many(aws.ErrBurnt), 2, api.OrderState{Stage: api.OrderWaiting, Reason: "TokenBurnt", Retry: true}, 0},
		"the instance takes no more":    {"attach", many(aws.ErrLimit), 3, api.OrderState{Stage: api.OrderFailed, Reason: "LimitReached", VolumeID: "vol-00000000000000001"}, 1},
		"attaching is denied for good":  {"attach", many(aws.ErrDenied), 40, api.OrderState{Stage: api.OrderFailed, Reason: "Denied", VolumeID: "vol-00000000000000001"}, 1},
		"not in a state to be attached": {"attach", many(aws.ErrConflict)[:2], 12, api.OrderState{Stage: api.OrderPresent}, 1},
		"looking is denied for good":    {"tagged", many(aws.ErrDenied), 40, api.OrderState{Stage: api.OrderWaiting, Reason: "Denied"}, 0},
		"EC2 can't be asked":            {"tagged", many(aws.ErrUnavailable), 4, api.OrderState{Stage: api.OrderWaiting, Reason: "Unavailable", Retry: true}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := buying(order(0))
				n.Cloud.Refuse(c.call, c.errs...)
				i := n.Installer()
				buy(t, i, n, c.passes)
				got := stateOf(t, i, n, 0)
				assert.Len(t, n.Cloud.All(), c.there)
				assert.Equal(t, c.want.Stage, got.Stage, got.Message)
				assert.Equal(t, c.want.Reason, got.Reason)
				assert.Equal(t, c.want.Retry, got.Retry)
				assert.Equal(t, c.want.Burnt, got.Burnt)
				if c.want.VolumeID != "" {
					assert.Equal(t, c.want.VolumeID, got.VolumeID)
				}
				if got.Stage == api.OrderFailed {
					asked := n.Cloud.Asked(c.call)
					buy(t, i, n, 5)
					assert.Equal(t, asked, n.Cloud.Asked(c.call), "what is refused for good isn't asked again")
				}
			})
		})
	}
}

// A process that has no right to look doesn't know what the one before it bought: it never says that nothing was.
func TestBuyVolumes_lostAndThenDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0))
		n.Cloud.Blind = true
		_ = in(t, n.Installer(), n, "buy-volumes").Apply(t.Context())
		require.Len(t, n.Cloud.All(), 1)
		i := n.Installer()
		n.Cloud.Refuse("tagged", slices.Repeat([]error{aws.ErrDenied}, 100)...)
		buy(t, i, n, 60)
		s := stateOf(t, i, n, 0)
		assert.Equal(t, api.OrderWaiting, s.Stage)
		assert.False(t, s.Retry, "the scheduler decides what becomes of it")
		n.Spec.Growth.Orders[0].Abandon = true
		buy(t, i, n, 60)
		assert.Equal(t, api.OrderKept, stateOf(t, i, n, 0).Stage)
	})
}

// VolumeLimitExceeded may be the answer to a request that had made the volume before.
func TestBuyVolumes_limitAfterASuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0))
		n.Cloud.Blind = true
		made, err := volumesOf(t, n).Create(t.Context(), aws.NewVolume{ClientToken: "lost", SizeGiB: 120,
			Tags: map[string]string{api.TagCluster: "c", api.TagNode: n.Spec.Node, api.TagExpansion: "5f0c", api.TagOrder: "0.1"}})
		require.NoError(t, err)
		n.Cloud.Refuse("create", aws.ErrLimit, aws.ErrLimit, aws.ErrLimit)
		i := n.Installer()
		buy(t, i, n, 10)
		assert.Equal(t, "LimitReached", stateOf(t, i, n, 0).Reason)
		n.Cloud.Blind = false
		buy(t, i, n, 12)
		s := stateOf(t, i, n, 0)
		assert.Equal(t, api.OrderPresent, s.Stage, s.Message)
		assert.Equal(t, made.ID, s.VolumeID)
		assert.Len(t, n.Cloud.All(), 1)
	})
}

func volumesOf(t *testing.T, n *installertest.Node) installer.Volumes {
	v, err := n.Cloud.Volumes(aws.Access{})
	require.NoError(t, err)
	return v
}

// An encryption key that may not be used lets the volume disappear after EC2 gave its id.
func TestBuyVolumes_vanished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0))
		n.Cloud.Blind = true
		i := n.Installer()
		buy(t, i, n, 5)
		s := stateOf(t, i, n, 0)
		assert.Equal(t, api.OrderCreating, s.Stage)
		require.NotEmpty(t, s.VolumeID, "told as soon as it is known")
		assert.False(t, s.Burnt, "reads lag")
		n.Cloud.Change(s.VolumeID, nil)
		buy(t, i, n, 60)
		s = stateOf(t, i, n, 0)
		assert.True(t, s.Burnt)
		assert.Equal(t, "VolumeVanished", s.Reason)
		assert.Equal(t, api.OrderDeleted, s.Stage, "EC2 says that it is gone")
		assert.Contains(t, s.Message, "key")

		n.Cloud.Blind = false
		n.Spec.Growth.Orders[0].Attempt = 2
		assert.Equal(t, step.Satisfied, buy(t, i, n, 10).Verdict)
		assert.Len(t, n.Cloud.All(), 1)
	})
}

// EC2's reads may be behind for longer than they ever should be. The client token, asked again, gives the same volume: it isn't bought again, and is used.
func TestBuyVolumes_shownLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0))
		n.Cloud.Blind = true
		i := n.Installer()
		assert.Equal(t, step.Satisfied, buy(t, i, n, 60).Verdict)
		assert.Len(t, n.Cloud.All(), 1)
		assert.Equal(t, api.OrderPresent, stateOf(t, i, n, 0).Stage)
		assert.LessOrEqual(t, n.Cloud.Asked("create"), 3, "asked once a minute at most")
	})
}

// A process that doesn't know when the token was used, and one for which that is long ago, don't ask: EC2 may have forgotten it, and would make another volume.
func TestBuyVolumes_anOldTokenIsntAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0))
		n.Spec.Growth.Orders[0].VolumeID = "vol-00000000000000009"
		i := n.Installer()
		buy(t, i, n, 90)
		assert.Zero(t, n.Cloud.Asked("create"))
		assert.Equal(t, "NotShownYet", stateOf(t, i, n, 0).Reason)
		assert.False(t, stateOf(t, i, n, 0).Burnt)
	})
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0))
		n.Cloud.Blind = true
		i := n.Installer()
		buy(t, i, n, 2)
		n.Cloud.Change(stateOf(t, i, n, 0).VolumeID, nil)
		time.Sleep(2 * time.Hour)
		buy(t, i, n, 90)
		assert.Equal(t, 1, n.Cloud.Asked("create"))
		assert.Equal(t, "NotShownYet", stateOf(t, i, n, 0).Reason)
	})
}

// A token that gives another volume leads nowhere: nothing more is done with either.
func TestBuyVolumes_theTokenGivesAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0))
		n.Cloud.Blind = true
		i := n.Installer()
		buy(t, i, n, 2)
		first := stateOf(t, i, n, 0).VolumeID
		n.Cloud.Forget()
		buy(t, i, n, 60)
		s := stateOf(t, i, n, 0)
		assert.Equal(t, api.OrderFailed, s.Stage)
		assert.Equal(t, first, s.VolumeID)
		assert.Len(t, n.Cloud.All(), 2)
		assert.Zero(t, n.Cloud.Asked("attach"))
	})
}

// A process that was ended anywhere is followed by one that finds what was bought.
func TestBuyVolumes_findsWhatAnEarlierProcessBought(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0))
		buy(t, n.Installer(), n, 1)
		for range 3 {
			i := n.Installer()
			assert.Equal(t, step.Satisfied, buy(t, i, n, 1).Verdict)
			assert.Equal(t, api.OrderPresent, stateOf(t, i, n, 0).Stage)
		}
		assert.Len(t, n.Cloud.All(), 1)
		assert.Equal(t, 1, n.Cloud.Asked("create"))
		assert.Equal(t, 1, n.Cloud.Asked("attach"))
	})
}

func TestBuyVolumes_stuckOrElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0), order(1), order(2))
		n.Cloud.DeviceLate = true
		i := n.Installer()
		buy(t, i, n, 1)
		var ids []string
		for index := range 3 {
			ids = append(ids, stateOf(t, i, n, index).VolumeID)
		}
		n.Cloud.Change(ids[1], func(v *aws.Volume) { v.Attachments[0].Instance, v.Attachments[0].State = "i-other", aws.Attached })
		n.Cloud.Change(ids[2], func(v *aws.Volume) { v.State, v.Attachments = aws.VolumeError, nil })
		buy(t, i, n, 120)
		for index, reason := range []string{"DeviceMissing", "AttachedElsewhere", "VolumeError"} {
			s := stateOf(t, i, n, index)
			assert.Equal(t, api.OrderFailed, s.Stage)
			assert.Equal(t, reason, s.Reason)
			assert.Equal(t, ids[index], s.VolumeID)
			assert.Contains(t, s.Message, ids[index])
		}
		assert.Less(t, n.Cloud.Asked("tagged"), 25, "four minutes of waiting are few looks")
	})
}

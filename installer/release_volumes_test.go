package installer_test

import (
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

// leavingWithVolumes is a node that is out of the pool, with two volumes of an expansion, one of a person, and one that a person took to another instance.
func leavingWithVolumes(t *testing.T) *installertest.Node {
	t.Helper()
	n := leavingNode(t)
	n.NewCloud()
	n.Spec.Growth = &api.NodeGrowth{DeleteOnTermination: true, Left: []string{volumeN(1), volumeN(2), volumeN(4)}}
	volumes := volumesOf(t, n)
	for _, tags := range []map[string]string{{api.TagExpansion: "5f0c"}, {api.TagExpansion: "5f0c"}, {}, {api.TagExpansion: "5f0c"}} {
		tags[api.TagCluster], tags[api.TagNode] = n.Spec.Version.Cluster, n.Spec.Node
		made, err := volumes.Create(t.Context(), aws.NewVolume{ClientToken: string(rune('a' + len(n.Cloud.All()))), SizeGiB: 120, Tags: tags})
		require.NoError(t, err)
		_, err = volumes.AwaitAvailable(t.Context(), made.ID)
		require.NoError(t, err)
		_, err = volumes.Attach(t.Context(), made.ID)
		require.NoError(t, err)
		_, err = volumes.Tagged(t.Context(), nil)
		require.NoError(t, err)
	}
	n.Cloud.Change(volumeN(4), func(v *aws.Volume) { v.Attachments[0].Instance = "i-other" })
	n.Disks.Detach("/dev/nvme-" + volumeN(4))
	return n
}

func volumeN(i int) string { return "vol-0000000000000000" + string(rune('0'+i)) }

// goes lists which volumes end with their instance.
func goes(n *installertest.Node) (all []string) {
	for i := 1; i <= 4; i++ {
		if n.Cloud.All()[volumeN(i)].Attachments[0].DeleteOnTermination {
			all = append(all, volumeN(i))
		}
	}
	return all
}

// release makes passes over the step, a minute apart.
func release(t *testing.T, i *installer.Installer, n *installertest.Node, passes int) step.Finding {
	t.Helper()
	for range passes {
		s := in(t, i, n, "release-volumes")
		if f, err := s.Check(t.Context()); assert.NoError(t, err) && f.Verdict == step.Needed {
			_ = s.Apply(t.Context())
		}
		time.Sleep(time.Minute)
	}
	return look(t, i, n, "release-volumes")
}

func TestReleaseVolumes(t *testing.T) {
	ours := []string{volumeN(1), volumeN(2)}
	for name, c := range map[string]struct {
		since  func(*installertest.Node)
		passes int
		want   []string
		reason string
		told   string
	}{
		"those of expansions that are here": {nil, 1, ours, "Satisfied", "end with this instance"},
		"one was set before": {func(n *installertest.Node) {
			n.Cloud.Change(volumeN(1), func(v *aws.Volume) { v.Attachments[0].DeleteOnTermination = true })
		}, 1, ours, "Satisfied", "end with this instance"},
		"without the right":         {func(n *installertest.Node) { n.Cloud.Refuse("mark", aws.ErrDenied, aws.ErrDenied) }, 1, nil, "OutliveInstance", volumeN(1)},
		"without the right to look": {func(n *installertest.Node) { n.Cloud.Refuse("tagged", aws.ErrDenied, aws.ErrDenied, aws.ErrDenied) }, 3, nil, "OutliveInstance", "isn't known"},
		"EC2 is away for a while":   {func(n *installertest.Node) { n.Cloud.Refuse("tagged", aws.ErrThrottled, aws.ErrUnavailable) }, 3, ours, "Satisfied", "end with this instance"},
		"one call fails":            {func(n *installertest.Node) { n.Cloud.Refuse("mark", aws.ErrThrottled) }, 2, ours, "Satisfied", "end with this instance"},
		"mounted by a person": {func(n *installertest.Node) {
			n.Disks.Refuse("/dev/nvme-"+volumeN(1), block.Refusal{Reason: block.ReasonMounted, Message: "mounted at /mnt"})
		}, 1, ours[1:], "OutliveInstance", "/mnt"},
		"one never was in the pool": {func(n *installertest.Node) { n.Spec.Growth.Left = ours[1:] }, 1, ours[1:], "OutliveInstance", volumeN(1) + " (it wasn't in the pool"},
		"one never was in the pool, and was set to end": {func(n *installertest.Node) {
			n.Spec.Growth.Left = ours[1:]
			n.Cloud.Change(volumeN(1), func(v *aws.Volume) { v.Attachments[0].DeleteOnTermination = true })
		}, 1, ours[1:], "OutliveInstance", volumeN(1) + " (it wasn't in the pool"},
		"the scheduler says of none": {func(n *installertest.Node) { n.Spec.Growth.Left = nil }, 1, nil, "OutliveInstance", volumeN(2)},
		"with the pool's header on it": {func(n *installertest.Node) {
			n.Disks.Refuse("/dev/nvme-"+volumeN(1), block.Refusal{Reason: block.ReasonHasSignature, Message: "ScaleIO"})
		}, 1, ours, "Satisfied", "end with this instance"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := leavingWithVolumes(t)
				if c.since != nil {
					c.since(n)
				}
				i := n.Installer()
				f := release(t, i, n, c.passes)
				assert.Equal(t, step.Satisfied, f.Verdict, f.Message)
				assert.Equal(t, c.reason, f.Reason)
				assert.Contains(t, f.Message, c.told)
				assert.Equal(t, c.want, goes(n))
				asked := n.Cloud.Asked("tagged")
				release(t, i, n, 5)
				assert.Equal(t, asked, n.Cloud.Asked("tagged"), "a bare node asks nothing more")
			})
		})
	}
}

// A removal isn't kept up for ever by a cloud that doesn't answer, and says what it left.
func TestReleaseVolumes_isBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := leavingWithVolumes(t)
		for range 20 {
			n.Cloud.Refuse("tagged", aws.ErrUnavailable)
		}
		i := n.Installer()
		assert.Equal(t, step.Needed, release(t, i, n, 9).Verdict)
		f := release(t, i, n, 3)
		assert.Equal(t, step.Satisfied, f.Verdict)
		assert.Equal(t, "OutliveInstance", f.Reason)
		assert.Empty(t, goes(n))
	})
}

// What outlives the instance is in the last words about the node.
func TestReleaseVolumes_whatStaysIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := leavingWithVolumes(t)
		n.Cloud.Refuse("mark", aws.ErrDenied, aws.ErrDenied)
		i := n.Installer()
		p, err := i.Plan(n.Input())
		require.NoError(t, err)
		result := (&step.Reconciler{Log: quietLog}).Pass(t.Context(), p, n.Spec.Gates, 1)
		require.True(t, result.Ready, "%+v", result.Conditions)
		last := result.Conditions[len(result.Conditions)-1]
		assert.Equal(t, "Removed", last.Reason)
		assert.Contains(t, last.Message, volumeN(1))
		assert.Contains(t, last.Message, volumeN(2))
	})
}

// In the pool a volume outlives its instance whatever the operator wants for later.
func TestReleaseVolumes_onlyOutOfThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0))
		n.Spec.Growth.DeleteOnTermination = true
		i := n.Installer()
		require.Equal(t, step.Satisfied, buy(t, i, n, 12).Verdict)
		assert.False(t, n.Cloud.All()[stateOf(t, i, n, 0).VolumeID].Attachments[0].DeleteOnTermination)
		assert.Zero(t, n.Cloud.Asked("mark"))
	})
	n := leavingWithVolumes(t)
	plan := func() []string {
		p, err := n.Installer().Plan(n.Input())
		require.NoError(t, err)
		return p.Names()
	}
	assert.Equal(t, []string{"remove-sds", "release-volumes"}, plan()[4:6], "after the SDS is gone for good")
	n.Spec.Growth.DeleteOnTermination = false
	assert.NotContains(t, plan(), "release-volumes")
}

// nodeThatCameBack was removed, its volumes were set to end with the instance, and it was readmitted.
func nodeThatCameBack(t *testing.T) *installertest.Node {
	n := leavingWithVolumes(t)
	for i := range 3 {
		n.Cloud.Change(volumeN(i+1), func(v *aws.Volume) { v.Attachments[0].DeleteOnTermination = true })
	}
	n.Spec.Remove = false
	return n
}

// A node that comes back keeps what it gives to the pool, before it gives anything.
func TestKeepVolumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := nodeThatCameBack(t)
		i := n.Installer()
		names := func() []string {
			p, err := i.Plan(n.Input())
			require.NoError(t, err)
			return p.Names()
		}
		require.Equal(t, slices.Index(names(), "hand-over-disks"), slices.Index(names(), "keep-volumes")+1)
		n.Cloud.Refuse("mark", aws.ErrThrottled)
		kept := in(t, i, n, "keep-volumes")
		require.ErrorIs(t, kept.Apply(t.Context()), aws.ErrThrottled)
		assert.Equal(t, step.Needed, look(t, i, n, "keep-volumes").Verdict)
		require.NoError(t, kept.Apply(t.Context()))
		assert.Equal(t, step.Satisfied, look(t, i, n, "keep-volumes").Verdict)
		assert.Equal(t, []string{volumeN(3)}, goes(n), "a person's is left as it is")

		n.Spec.Remove = true
		require.Equal(t, step.Satisfied, release(t, i, n, 1).Verdict)
		require.Equal(t, []string{volumeN(1), volumeN(2), volumeN(3)}, goes(n))
		n.Spec.Remove = false
		assert.Equal(t, step.Needed, look(t, i, n, "keep-volumes").Verdict, "the same process, once more")

		n.Spec.Growth.Left = nil
		assert.NotContains(t, names(), "keep-volumes", "whoever never left asks nothing")
	})
}

// What EC2 doesn't show, or shows as it was, isn't taken for kept: its reads lag, and tags can be taken away.
func TestKeepVolumes_readsLag(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*installertest.Node)
		fail bool
	}{
		"its tags were taken away": {func(n *installertest.Node) {
			n.Cloud.Change(volumeN(1), func(v *aws.Volume) { v.Tags = nil })
		}, false},
		"EC2 shows it as it was": {func(n *installertest.Node) {
			n.Cloud.Stale = true
		}, false},
		"EC2 doesn't show it yet": {func(n *installertest.Node) { n.Cloud.Blind = true }, true},
		"EC2 shows it detached": {func(n *installertest.Node) {
			n.Cloud.Change(volumeN(1), func(v *aws.Volume) { v.State, v.Attachments[0].State = aws.VolumeAvailable, aws.Detached })
		}, true},
		"looking by id fails": {func(n *installertest.Node) {
			n.Cloud.Change(volumeN(1), func(v *aws.Volume) { v.Tags = nil })
			n.Cloud.Refuse("describe", aws.ErrThrottled)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := nodeThatCameBack(t)
				c.set(n)
				i := n.Installer()
				err := in(t, i, n, "keep-volumes").Apply(t.Context())
				if c.fail {
					require.Error(t, err)
					assert.Equal(t, step.Needed, look(t, i, n, "keep-volumes").Verdict)
					return
				}
				require.NoError(t, err)
				assert.Equal(t, []string{volumeN(3)}, goes(n))
				assert.Equal(t, step.Satisfied, look(t, i, n, "keep-volumes").Verdict)
				assert.Equal(t, 2, n.Cloud.Asked("mark"), "one call for each that is here")
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		n := nodeThatCameBack(t)
		n.Cloud.Change(volumeN(1), nil)
		n.Disks.Detach("/dev/nvme-" + volumeN(1))
		require.NoError(t, in(t, n.Installer(), n, "keep-volumes").Apply(t.Context()), "what is gone needs nothing")
	})
}

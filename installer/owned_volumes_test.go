package installer_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/platform/aws"
	"scaleio-framework/scheduler/api"
)

func TestOwnedVolumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := buying(order(0), order(1))
		i := n.Installer()
		buy(t, i, n, 1)
		id := stateOf(t, i, n, 1).VolumeID
		n.Cloud.Change(id, func(v *aws.Volume) { v.State, v.Attachments = aws.VolumeDeleting, nil })
		_, err := volumesOf(t, n).Create(t.Context(), aws.NewVolume{ClientToken: "somebody's", SizeGiB: 1, Tags: map[string]string{api.TagCluster: "another"}})
		require.NoError(t, err)

		owned, err := i.OwnedVolumes(t.Context(), n.Input())
		require.NoError(t, err)
		assert.Equal(t, []api.OwnedVolume{{VolumeID: stateOf(t, i, n, 0).VolumeID, Node: n.Spec.Node, Expansion: "5f0c", Order: "0.1", State: aws.VolumeInUse,
			Instance: "i-n1", Zone: "eu-west-1a", Type: "gp3", SizeGiB: 120}}, owned, "of this cluster, and there")

		n.Cloud.Refuse("tagged", aws.ErrThrottled)
		_, err = i.OwnedVolumes(t.Context(), n.Input())
		assert.ErrorIs(t, err, aws.ErrThrottled)
		n.Cloud = nil
		_, err = n.Installer().OwnedVolumes(t.Context(), n.Input())
		assert.ErrorIs(t, err, aws.ErrUnverified, "no cloud is not no volume")
	})
}

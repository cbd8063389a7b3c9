package aws

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEC2_fromNothingToAnAttachedDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.created, f.attached, f.lag = 2*time.Second, 3*time.Second, 1500*time.Millisecond
		e := f.client(t)

		v, err := e.Create(t.Context(), order)
		require.NoError(t, err)
		assert.Equal(t, VolumeCreating, v.State)
		again, err := e.Create(t.Context(), order)
		require.NoError(t, err)
		assert.Equal(t, v.ID, again.ID, "the same token is the same volume")

		ready, err := e.AwaitAvailable(t.Context(), v.ID)
		require.NoError(t, err)
		assert.Equal(t, VolumeAvailable, ready[v.ID].State)
		assert.Equal(t, order.Tags, ready[v.ID].Tags)
		assert.Equal(t, 100, ready[v.ID].SizeGiB)

		a, err := e.Attach(t.Context(), v.ID)
		require.NoError(t, err)
		assert.Equal(t, Attachment{Instance: here, Device: "/dev/xvdba", State: Attaching}, a)
		done, err := e.AwaitAttached(t.Context(), v.ID)
		require.NoError(t, err)
		assert.Equal(t, []Attachment{{Instance: here, Device: "/dev/xvdba", State: Attached}}, done[v.ID].Attachments)

		found, err := e.Tagged(t.Context(), map[string]string{"scaleio-framework/cluster": "c1"})
		require.NoError(t, err)
		assert.Len(t, found, 1)

		require.NoError(t, e.SetDeleteOnTermination(t.Context(), v.ID, true))
		seen, err := e.Describe(t.Context(), v.ID, "vol-0000000000000dead")
		require.NoError(t, err)
		assert.Len(t, seen, 1, "what EC2 doesn't know is left out, and fails nothing")
		assert.True(t, seen[v.ID].Attachments[0].DeleteOnTermination)
	})
}

// One node that buys a hundred: two calls that change something for each, and a tenth of one that looks.
func TestEC2_callsPerVolume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 100
		f := newFake()
		f.created, f.attached, f.lag = 2*time.Second, 3*time.Second, time.Second
		e := f.client(t)
		var ids []string
		for i := range n {
			one := order
			one.ClientToken = fmt.Sprint("token-", i)
			v, err := e.Create(t.Context(), one)
			require.NoError(t, err)
			ids = append(ids, v.ID)
		}
		_, err := e.AwaitAvailable(t.Context(), ids...)
		require.NoError(t, err)
		devices := map[string]bool{}
		for _, id := range ids {
			a, err := e.Attach(t.Context(), id)
			require.NoError(t, err)
			devices[a.Device] = true
		}
		assert.Len(t, devices, n)
		_, err = e.AwaitAttached(t.Context(), ids...)
		require.NoError(t, err)
		assert.Equal(t, n, f.count("CreateVolume"))
		assert.Equal(t, n, f.count("AttachVolume"))
		assert.LessOrEqual(t, f.count("DescribeVolumes"), n/10)
	})
}

func TestEC2_listsAllPages(t *testing.T) {
	f := newFake()
	f.page = 2
	for i := range 5 {
		f.put(Volume{ID: fmt.Sprintf("vol-%017x", i), Tags: map[string]string{"a": "b"}})
	}
	found, err := f.client(t).Tagged(t.Context(), map[string]string{"a": "b"})
	require.NoError(t, err)
	assert.Len(t, found, 5)
	assert.Equal(t, 3, f.count("DescribeVolumes"))

	_, err = f.client(t).Tagged(t.Context(), nil)
	require.ErrorIs(t, err, ErrInvalid, "no tag would be the whole account")
}

func TestEC2_namesItsFailures(t *testing.T) {
	for code, want := range map[string]error{
		"VolumeLimitExceeded": ErrLimit, "AttachmentLimitExceeded": ErrLimit, "MaxIOPSLimitExceeded": ErrLimit, "InsufficientVolumeCapacity": ErrCapacity,
		"UnauthorizedOperation": ErrDenied, "OptInRequired": ErrDenied, "IncorrectState": ErrConflict, "InvalidVolume.NotFound": ErrGone, "InvalidInstanceID.NotFound": ErrGone,
		"IdempotentParameterMismatch": ErrBurnt, "InvalidParameterValue": ErrInvalid, "UnknownVolumeType": ErrInvalid, "InvalidVolume.ZoneMismatch": ErrInvalid,
	} {
		f := newFake()
		f.answer = func(string, url.Values) (string, string) { return code, strings.Repeat("words ", 1000) }
		_, err := f.client(t).Create(t.Context(), order)
		require.ErrorIs(t, err, want, code)
		assert.Contains(t, err.Error(), code)
		assert.Less(t, len(err.Error()), 500, "EC2's encoded messages are long")
		assert.Equal(t, 1, f.count("CreateVolume"), "%s: asking again is useless", code)
	}
}

// An hour of throttling: the node asks ever less often, and is back at its full rate when it is over.
func TestEC2_givesWayToAThrottlingStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		storm := true
		f.answer = func(string, url.Values) (string, string) {
			if storm {
				return "RequestLimitExceeded", "Request limit exceeded."
			}
			return "", ""
		}
		e := f.client(t)
		for begun := time.Now(); time.Since(begun) < time.Hour; {
			_, err := e.Create(t.Context(), order)
			require.Contains(t, []string{"Throttled", "Unavailable"}, Reason(err), "the last attempt may be cut by the call's own limit")
		}
		assert.Less(t, f.count("CreateVolume"), 150, "a storm isn't fed: at most one request in 30 s")
		storm = false
		begun := time.Now()
		_, err := e.Create(t.Context(), order)
		require.NoError(t, err)
		for range 60 {
			_, err = e.Create(t.Context(), order)
			require.NoError(t, err)
		}
		assert.Less(t, time.Since(begun), 3*time.Minute)
		assert.Len(t, f.volumes, 1)
	})
}

func TestEC2_lostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		lost := map[string]int{}
		f.lose = func(action string) error {
			if lost[action]++; lost[action] == 1 && (action == "CreateVolume" || action == "AttachVolume") {
				return errors.New("connection reset by peer")
			}
			return nil
		}
		e := f.client(t)
		v, err := e.Create(t.Context(), order)
		require.NoError(t, err)
		a, err := e.Attach(t.Context(), v.ID)
		require.NoError(t, err, "attached by the call whose answer was lost")
		assert.Equal(t, "/dev/xvdba", a.Device)
		assert.Len(t, f.volumes, 1)
	})
}

func TestEC2_hangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		e := f.client(t)
		e.HTTP = hanging{}
		begun := time.Now()
		_, err := e.Create(t.Context(), order)
		require.ErrorIs(t, err, ErrUnavailable)
		assert.LessOrEqual(t, time.Since(begun), callLimit)
	})
}

func TestEC2_volumesThatNeverCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.put(Volume{ID: "vol-failed", State: VolumeError})
		f.put(Volume{ID: "vol-slow", State: VolumeCreating})
		e := f.client(t)

		begun := time.Now()
		seen, err := e.AwaitAvailable(t.Context(), "vol-failed")
		require.NoError(t, err, "an end state, seen at once")
		assert.Equal(t, VolumeError, seen["vol-failed"].State)
		assert.Equal(t, firstLook, time.Since(begun))

		begun = time.Now()
		seen, err = e.AwaitAvailable(t.Context(), "vol-vanished")
		require.NoError(t, err)
		assert.Empty(t, seen, "EC2 took the order and dropped it: a key that may not be used")
		assert.GreaterOrEqual(t, time.Since(begun), readsLag, "it might only be unreadable yet")

		begun = time.Now()
		seen, err = e.AwaitAvailable(t.Context(), "vol-slow", "vol-failed")
		require.ErrorIs(t, err, ErrTimeout)
		assert.Len(t, seen, 2)
		assert.Equal(t, availableLimit, time.Since(begun))
	})
}

func TestEC2_stuckAttaching(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.put(Volume{ID: "vol-stuck", Attachments: []Attachment{{Instance: here, Device: "/dev/xvdba", State: Attaching}}})
		f.put(Volume{ID: "vol-elsewhere", Attachments: []Attachment{{Instance: another, Device: "/dev/xvdba", State: Attached}}})
		e := f.client(t)
		seen, err := e.AwaitAttached(t.Context(), "vol-stuck", "vol-elsewhere")
		require.ErrorIs(t, err, ErrTimeout)
		assert.Equal(t, Attaching, seen["vol-stuck"].Attachments[0].State)
		_, here := seen["vol-elsewhere"].On(here)
		assert.False(t, here)
	})
}

func TestEC2_neverTakesAnothersVolume(t *testing.T) {
	f := newFake()
	theirs := Volume{ID: "vol-1", Tags: order.Tags, Attachments: []Attachment{{Instance: another, Device: "/dev/xvdba", State: Attached}}}
	f.put(theirs)
	f.put(Volume{ID: "vol-2", Tags: map[string]string{"scaleio-framework/cluster": "c2"}})
	f.put(Volume{ID: "vol-3", Tags: order.Tags, Attachments: []Attachment{{Instance: here, Device: "/dev/xvdbb", State: Attached}}})
	e := f.client(t)

	_, err := e.Attach(t.Context(), "vol-1")
	require.ErrorIs(t, err, ErrConflict)
	assert.Contains(t, err.Error(), another)
	require.ErrorIs(t, e.Delete(t.Context(), "vol-1", order.Tags), ErrConflict, "somebody has it")
	require.ErrorIs(t, e.Delete(t.Context(), "vol-2", order.Tags), ErrConflict, "another cluster's")
	require.ErrorIs(t, e.Delete(t.Context(), "vol-2", nil), ErrConflict, "no tag is everybody's")
	require.ErrorIs(t, e.Delete(t.Context(), "vol-3", order.Tags), ErrConflict)
	assert.Zero(t, f.count("DeleteVolume"))
	require.NoError(t, e.Detach(t.Context(), "vol-3"))
	require.NoError(t, e.Delete(t.Context(), "vol-3", order.Tags))
	assert.Len(t, f.volumes, 2)
	require.NoError(t, e.Detach(t.Context(), "vol-2"), "wasn't attached")

	synctest.Test(t, func(t *testing.T) {
		require.NoError(t, f.client(t).Delete(t.Context(), "vol-4", order.Tags), "gone")
	})
}

// A read that lags isn't a volume that is gone.
func TestEC2_deletesWhatIsNotShownYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.lag = readsLag / 2
		e := f.client(t)
		v, err := e.Create(t.Context(), order)
		require.NoError(t, err)
		require.NoError(t, e.Delete(t.Context(), v.ID, order.Tags))
		assert.Empty(t, f.volumes)
	})
}

func TestEC2_deviceNames(t *testing.T) {
	f := newFake()
	f.put(Volume{ID: "vol-1", Attachments: []Attachment{{Instance: here, Device: "/dev/sdba", State: Attached}}})
	f.put(Volume{ID: "vol-2"})
	f.put(Volume{ID: "vol-3"})
	hidden := true // the image's mapping has xvdbb, which nothing lists
	f.answer = func(action string, form url.Values) (string, string) {
		if hidden && action == "AttachVolume" && form.Get("Device") == "/dev/xvdbb" {
			return "InvalidParameterValue", "Invalid value '/dev/xvdbb' for unixDevice. Attachment point /dev/xvdbb is already in use"
		}
		return "", ""
	}
	e := f.client(t)
	a, err := e.Attach(t.Context(), "vol-2")
	require.NoError(t, err)
	assert.Equal(t, "/dev/xvdbc", a.Device, "xvdba is sdba by another name")
	hidden = false
	a, err = e.Attach(t.Context(), "vol-3")
	require.NoError(t, err)
	assert.Equal(t, "/dev/xvdbd", a.Device, "a bad name stays bad")
	assert.Equal(t, 1, f.count("DescribeVolumes"), "what is attached is listed once, not for each")

	f.put(Volume{ID: "vol-4"})
	e = f.client(t)
	_, err = e.Slots(t.Context())
	require.NoError(t, err)
	looks := f.count("DescribeVolumes")
	_, err = e.Attach(t.Context(), "vol-4")
	require.NoError(t, err)
	assert.Equal(t, looks, f.count("DescribeVolumes"), "and not at all after a look at the slots, which has the same list")

	assert.Equal(t, []string{"xvdf", "sdf"}, KernelNames("/dev/sdf"))
	assert.Equal(t, []string{"xvdba"}, KernelNames("/dev/xvdba"))
}

func TestEC2_ordersThatLackSomethingAreNotSent(t *testing.T) {
	f := newFake()
	for name, spoil := range map[string]func(*NewVolume){
		"no token": func(v *NewVolume) { v.ClientToken = "" }, "long token": func(v *NewVolume) { v.ClientToken = strings.Repeat("x", 65) },
		"no type": func(v *NewVolume) { v.Type = "" }, "no size": func(v *NewVolume) { v.SizeGiB = 0 }, "no zone": func(v *NewVolume) { v.Zone = "" }, "no tags": func(v *NewVolume) { v.Tags = nil },
	} {
		bad := order
		spoil(&bad)
		_, err := f.client(t).Create(t.Context(), bad)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
	assert.Empty(t, f.calls)
}

func TestEC2_unverifiedInstanceAsksNothing(t *testing.T) {
	f := newFake()
	e := f.client(t)
	e.Self = func(context.Context) (Instance, error) {
		return Instance{}, errors.New("the metadata service is silent")
	}
	_, created := e.Create(t.Context(), order)
	_, attached := e.Attach(t.Context(), "vol-1")
	_, listed := e.Tagged(t.Context(), order.Tags)
	_, slots := e.Slots(t.Context())
	for _, err := range []error{created, attached, listed, slots, e.Detach(t.Context(), "vol-1"), e.Delete(t.Context(), "vol-1", order.Tags)} {
		require.ErrorIs(t, err, ErrUnverified)
		assert.Equal(t, "InstanceUnverified", Reason(err))
	}
	assert.Empty(t, f.calls)
}

func TestEC2_keysFromAFile(t *testing.T) {
	f := newFake()
	e := f.client(t)
	require.NoError(t, e.Files.Write("/keys", []byte("[other]\naws_access_key_id = a\naws_secret_access_key = b\n"), 0o600))
	_, err := e.Tagged(t.Context(), order.Tags)
	require.ErrorIs(t, err, ErrDenied)
	require.NoError(t, e.Files.Write("/keys", []byte("aws_access_key_id=a\naws_secret_access_key=top-secret\n"), 0o644))
	_, err = e.Tagged(t.Context(), order.Tags)
	require.ErrorIs(t, err, ErrDenied)
	assert.Contains(t, err.Error(), "chmod 600")
	assert.NotContains(t, err.Error(), "top-secret")
	assert.Empty(t, f.calls)
	require.NoError(t, e.Files.Write("/keys", []byte("# keys\naws_access_key_id=a\naws_secret_access_key=top-secret\n"), 0o600))
	_, err = e.Tagged(t.Context(), order.Tags)
	require.NoError(t, err, "a mended file is read without a restart")
}

func TestReason_hasOneForEachKind(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range kinds {
		reason := Reason(fmt.Errorf("attaching: %w", &Error{Op: "AttachVolume", Kind: k.err}))
		assert.Equal(t, k.reason, reason)
		seen[reason] = true
	}
	assert.Len(t, seen, len(kinds))
	assert.Equal(t, "Failed", Reason(context.Canceled))
}

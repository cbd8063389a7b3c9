package offers

import (
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/zookeeper"
	"scaleio-framework/scheduler/zookeeper/zookeepertest"
)

// infos are what masters write: 1.x with an address object, and one from before there was one.
const (
	infoOne = `{"address":{"hostname":"m1","ip":"10.0.0.1","port":5050},"hostname":"m1","id":"x","ip":16777226,"port":5050,"version":"1.11.0"}`
	infoTwo = `{"hostname":"m2.example.com","id":"y","ip":33554442,"port":5051}`
)

func TestDetector_followsTheElection_andKeepsWhatItKnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ensemble := zookeepertest.New()
		client := ensemble.Client(10 * time.Second)
		var told [][]string
		var failed []error
		d := &Detector{Client: client, Path: "/mesos", Log: slog.New(slog.DiscardHandler)}
		go d.Watch(t.Context(), func(masters []string, err error) { told, failed = append(told, masters), append(failed, err) })
		last := func() ([]string, error) {
			synctest.Wait()
			return told[len(told)-1], failed[len(failed)-1]
		}
		masters, err := last()
		require.ErrorIs(t, err, zookeeper.ErrNoNode)
		assert.Empty(t, masters)

		for path, data := range map[string]string{"/mesos": "", "/mesos/json.info_0000000010": infoOne, "/mesos/json.info_0000000009": infoTwo, "/mesos/log_replicas": "x", "/mesos/info_0000000001": "old"} {
			ensemble.Put(path, []byte(data))
		}
		time.Sleep(lookAfterBad)
		masters, err = last()
		require.NoError(t, err)
		assert.Equal(t, []string{"http://m2.example.com:5051", "http://10.0.0.1:5050"}, masters)

		ensemble.Put("/mesos/json.info_0000000009", nil) // told by the watch, at once
		masters, err = last()
		require.NoError(t, err)
		assert.Equal(t, []string{"http://10.0.0.1:5050"}, masters)

		client.Cut(true)
		time.Sleep(time.Minute)
		masters, err = last()
		require.ErrorIs(t, err, zookeeper.ErrUnknown)
		assert.Equal(t, []string{"http://10.0.0.1:5050"}, masters)
	})
}

// A master that is found takes the place of the one that calls go to; the same one again doesn't end a subscription.
func TestWire_goesToTheMasterThatIsFound(t *testing.T) {
	w := newWire(nil, "", "", nil)
	assert.Empty(t, w.target())
	n, moved, why := w.known()
	assert.Zero(t, n)
	require.Error(t, why)
	w.found(nil, errors.New("no ZooKeeper"))
	_, _, why = w.known()
	require.EqualError(t, why, "no ZooKeeper")
	w.found([]string{"http://a:1", "http://b:1"}, nil)
	<-moved
	assert.Equal(t, "http://a:1", w.target())
	_, moved, _ = w.known()
	w.redirected("http://a:1", "//b:1/master/api/v1/scheduler")
	w.found([]string{"http://b:1", "http://a:1"}, nil)
	assert.Equal(t, "http://b:1", w.target())
	select {
	case <-moved:
		t.Fatal("we were there already")
	default:
	}
	w.found([]string{"http://a:1"}, nil)
	<-moved
	assert.Equal(t, "http://a:1", w.target())
}

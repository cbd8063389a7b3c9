package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/mesos/delivery"
)

func status(state v1.TaskState, uuid string) v1.TaskStatus {
	return v1.TaskStatus{TaskID: v1.TaskID{Value: "t"}, State: &state, UUID: []byte(uuid)}
}

// Recording 23: after 10, 20, 40 s, and the next update only when this one is
// acknowledged.
func TestQueue_retriesUntilAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		type sending struct {
			after time.Duration
			uuid  string
		}
		sent := make(chan sending, 16)
		latest := make(chan v1.TaskState, 16)
		queue := delivery.NewQueue(0, func(u delivery.Update) {
			sent <- sending{time.Since(start), string(u.Status.UUID)}
			latest <- u.Latest
		})
		defer queue.Close()
		queue.Add("f", status(v1.TASK_STARTING, "1"))
		queue.Add("f", status(v1.TASK_RUNNING, "2"))
		time.Sleep(80 * time.Second)
		synctest.Wait()
		for _, after := range []time.Duration{0, 10 * time.Second, 30 * time.Second, 70 * time.Second} {
			require.Equal(t, sending{after, "1"}, <-sent)
		}
		require.Equal(t, v1.TASK_STARTING, <-latest)
		require.Equal(t, v1.TASK_RUNNING, <-latest)

		_, accepted := queue.Acknowledge("f", "t", []byte("2"))
		require.False(t, accepted, "its turn hasn't come")
		_, accepted = queue.Acknowledge("f", "t", []byte("1"))
		require.True(t, accepted)
		require.Equal(t, "2", (<-sent).uuid)
		queue.Resend("f")
		require.Equal(t, "2", (<-sent).uuid)
		_, accepted = queue.Acknowledge("f", "t", []byte("2"))
		require.True(t, accepted)
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, sent)
	})
}

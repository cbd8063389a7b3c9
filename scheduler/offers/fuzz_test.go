package offers

import (
	"bufio"
	"bytes"
	"fmt"
	"testing"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// What a Mesos master sends, as far as we read it.
func FuzzEvent(f *testing.F) {
	f.Add([]byte{8, 3, 26, 2, 10, 0})
	f.Add([]byte{8, 5, 42, 4, 10, 2, 10, 0})
	f.Fuzz(func(_ *testing.T, frame []byte) {
		stream := append(fmt.Appendf(nil, "%d\n", len(frame)), frame...)
		event, err := (&subscription{in: bufio.NewReader(bytes.NewReader(stream))}).next()
		if err != nil {
			return
		}
		read(event)
	})
}

func read(event *scheduler.Event) {
	for _, o := range event.GetOffers().GetOffers() {
		plainOffer(&o)
	}
	if u := event.GetUpdate(); u != nil {
		plainUpdate(&u.Status)
	}
}

// What Mesos' masters write of themselves into ZooKeeper, where others may write too.
func FuzzMasterAddress(f *testing.F) {
	f.Add([]byte(`{"address":{"hostname":"m1","ip":"10.0.0.1","port":5050},"id":"x"}`))
	f.Add([]byte(`{"hostname":"m1","port":5050,"ip":16777343}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if address, err := masterAddress(raw); err == nil && address == "" {
			t.Errorf("%q gives nothing", raw)
		}
	})
}

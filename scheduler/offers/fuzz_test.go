package offers

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
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

// What a master, or whoever answers in its place, says to our questions: it is as they were asked.
func FuzzOperatorAnswers(f *testing.F) {
	f.Add([]byte(`{"type":"GET_FRAMEWORKS","get_frameworks":{"frameworks":[{"active":true,"framework_info":{"id":{"value":"f-1"},"name":"scaleio","principal":"p","webui_url":"https://10.0.0.1:9443"}},{"framework_info":{"name":"x"}}]}}`))
	f.Add([]byte(`{"get_agents":{"agents":[{"active":true,"pid":"slave(1)@10.0.0.1:5051","agent_info":{"id":{"value":"a-1"},"hostname":"n1","attributes":[{"name":"rack","text":{"value":"r1"}},{"name":"n","scalar":{"value":1.5}}]},` +
		`"total_resources":[{"name":"cpus","scalar":{"value":8}},{"name":"mem","role":"db","scalar":{"value":1}}],"allocated_resources":[{"name":"cpus","scalar":{"value":1},"reservations":[{"role":"db"}]}]}]}}`))
	f.Add([]byte(`{"get_agents":{"agents":[null,{"pid":"@","drain_info":{}}]},"get_frameworks":{"frameworks":[null]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var frameworks frameworksAnswer
		if json.Unmarshal(raw, &frameworks) == nil {
			for _, known := range frameworks.known("scaleio", "p") {
				if !bytes.Contains(raw, []byte("scaleio")) {
					t.Errorf("%q knows %+v", raw, known)
				}
			}
		}
		var agents agentsAnswer
		if json.Unmarshal(raw, &agents) != nil {
			return
		}
		for _, known := range agents.known() {
			if _, err := netip.ParseAddr(known.IP); known.IP != "" && err != nil || math.IsNaN(known.FreeCPUs) || math.IsNaN(known.FreeMemMB) {
				t.Errorf("%q knows %+v", raw, known)
			}
		}
	})
}

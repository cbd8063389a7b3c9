package decide

import (
	"encoding/json"
	"testing"

	"scaleio-framework/scheduler/api"
)

// One node remembers whatever it likes: nothing panics, the cluster keeps its id, and its epoch doesn't leap.
func FuzzRecover(f *testing.F) {
	f.Add([]byte(`{"node":"d","name":"n-d","version":{"cluster":"c1","epoch":3,"generation":1},"recall":{"agent":"a","domain":"r9","bought":[{}]}}`))
	f.Add([]byte(`{"version":{"epoch":9223372036854775807},"formation":{"nonce":"x"},"mdms":[{"node":"d"}],"claims":[{"disk":"x"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var spec api.NodeSpec
		if json.Unmarshal(text, &spec) != nil {
			return
		}
		s, all := remembering(t)
		all["d"] = &Evidence{Key: "key-d", Report: &api.Report{Node: api.Identity{ID: "d"}, Version: spec.Version}, Spec: &spec, At: s.Now}
		got, err := Recover("c1", all, s.Now)
		if err == nil && (got.Cluster.ID != "c1" || got.Cluster.Epoch > 3+MaxJump+1) {
			t.Errorf("%q makes cluster %q, epoch %d", text, got.Cluster.ID, got.Cluster.Epoch)
		}
		_, _ = Latecomer(s, "d", all["d"])
	})
}

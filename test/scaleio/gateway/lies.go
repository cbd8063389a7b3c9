package gateway

import (
	"encoding/json"
	"os"

	"scaleio-framework/test/scaleio/mgmt"
)

// statistics as a gateway shows them that was told to lie of pools, in a file that is read at every call; null = the value is missing:
//
//	{"poolStatistics": {"maxCapacityInKb": 0, "capacityInUseInKb": null}}
func (s *Server) statistics(v mgmt.View, kind, id string) (object, error) {
	o, err := statistics(v, kind, id)
	if err != nil || kind != "StoragePool" {
		return o, err
	}
	var told struct {
		PoolStatistics object `json:"poolStatistics"`
	}
	raw, err := os.ReadFile(s.opt.path("etc/scaleio-standin/faults.json"))
	if err != nil || json.Unmarshal(raw, &told) != nil {
		return o, nil
	}
	for name, value := range told.PoolStatistics {
		if o[name] = value; value == nil {
			delete(o, name)
		}
	}
	return o, nil
}

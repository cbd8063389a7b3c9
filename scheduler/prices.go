package scheduler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"scaleio-framework/scheduler/decide"
)

// ReadPrices gives the list prices, with what the operator's file says in their place: {"eu-central-1": {"gp3": {"gib": 0.0952, ...}}}. A misspelt word would be a
// price of nothing, so unknown ones are refused.
func ReadPrices(path string) (decide.Prices, error) {
	prices := decide.ListPrices()
	if path == "" {
		return prices, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading prices: %w", err)
	}
	var own decide.Prices
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&own); err != nil {
		return nil, fmt.Errorf("reading prices from %s: %w", path, err)
	}
	var faults []error
	for region, types := range own {
		for kind, p := range types {
			if p.GiB <= 0 || p.IOPS < 0 || p.Throughput < 0 || p.FreeIOPS < 0 || p.FreeThroughput < 0 {
				faults = append(faults, fmt.Errorf("reading prices from %s: %s in %s: a GiB must cost something, and nothing less than nothing", path, kind, region))
			}
		}
	}
	return prices.With(own), errors.Join(faults...)
}

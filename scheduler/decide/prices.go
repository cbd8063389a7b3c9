package decide

import (
	"math"

	"scaleio-framework/scheduler/api"
)

// A Price of one volume type in one region, in dollars per month.
type Price struct {
	GiB            float64 `json:"gib"`
	IOPS           float64 `json:"iops,omitempty"`           // each beyond FreeIOPS
	FreeIOPS       int     `json:"freeIops,omitempty"`       //
	Throughput     float64 `json:"throughput,omitempty"`     // each MiB/s beyond FreeThroughput
	FreeThroughput int     `json:"freeThroughput,omitempty"` //
}

// Prices by region and volume type. What isn't there has no price, and what has no price isn't bought under a budget.
type Prices map[string]map[string]Price

// ListPrices are AWS' public ones for the three regions that share them. io2 is cheaper beyond 32,000 IOPS; a budget may count too much, never too little.
func ListPrices() Prices {
	all := Prices{}
	for _, region := range []string{"us-east-1", "us-east-2", "us-west-2"} {
		all[region] = map[string]Price{
			"gp3": {GiB: 0.08, IOPS: 0.005, FreeIOPS: 3000, Throughput: 0.04, FreeThroughput: 125},
			"gp2": {GiB: 0.10},
			"io1": {GiB: 0.125, IOPS: 0.065},
			"io2": {GiB: 0.125, IOPS: 0.065},
			"st1": {GiB: 0.045},
			"sc1": {GiB: 0.015},
		}
	}
	return all
}

// With gives these prices, and those of other where it has one.
func (p Prices) With(other Prices) Prices {
	all := Prices{}
	for _, from := range []Prices{p, other} {
		for region, types := range from {
			for kind, price := range types {
				if all[region] == nil {
					all[region] = map[string]Price{}
				}
				all[region][kind] = price
			}
		}
	}
	return all
}

// Monthly price of one volume, rounded up; ok is false if it isn't known.
func (p Prices) Monthly(region string, v api.VolumeOrder) (cost api.Cents, ok bool) {
	price, ok := p[region][v.Type]
	if !ok {
		return 0, false
	}
	dollars := float64(v.SizeGiB)*price.GiB + float64(max(0, v.IOPS-price.FreeIOPS))*price.IOPS +
		float64(max(0, v.ThroughputMiBs-price.FreeThroughput))*price.Throughput
	return api.Cents(math.Ceil(dollars*100 - 1e-6)), true
}

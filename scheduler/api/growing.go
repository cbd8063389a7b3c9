package api

import (
	"fmt"
	"time"
)

// Cents of the currency of the price table, per month.
type Cents int64

// String as people write it.
func (c Cents) String() string { return fmt.Sprintf("%d.%02d", c/100, c%100) }

// ExpansionState is how far an expansion is.
type ExpansionState string

// The states. Only one expansion is proposed or buying at a time.
const (
	ExpansionProposed  ExpansionState = "proposed"  // waits for a person
	ExpansionBuying    ExpansionState = "buying"    // nodes have their orders
	ExpansionEnded     ExpansionState = "ended"     // as Outcome says
	ExpansionWithdrawn ExpansionState = "withdrawn" // nothing was bought
)

// GrowthView is what people see of growth: how full, what comes next, what it costs, and why nothing is bought when nothing is.
type GrowthView struct {
	Mode         GrowthMode      `json:"mode"`
	Threshold    int             `json:"thresholdPercent"`
	Fullness     float64         `json:"fullnessPercent"`  // of what may be used beside the spare; 0 = no sample
	UsedBytes    int64           `json:"usedBytes"`        // raw: both copies
	UsableBytes  int64           `json:"usableBytes"`      // raw, beside the spare
	Provisioned  int64           `json:"provisionedBytes"` // raw: volumes as promised, both copies; thin, so it may be more than usable
	Forecast     *ForecastView   `json:"forecast,omitempty"`
	Waiting      string          `json:"waiting,omitempty"`  // why nothing is decided now
	WaitsFor     string          `json:"waitsFor,omitempty"` // name of the node that has to list the cluster's volumes first and can't
	Next         *ExpansionView  `json:"next,omitempty"`     // what would be bought if it had to be now
	Expansions   []ExpansionView `json:"expansions,omitempty"`
	Orphans      []OrphanView    `json:"orphans,omitempty"` // paid for and in no pool, newest listing
	Volumes      int             `json:"volumes"`           // that growth paid for and that are there, or may be
	Monthly      Cents           `json:"monthlyCents"`      // for those of them whose price is known
	Priced       bool            `json:"priced"`            // all of them
	Budget       Cents           `json:"budgetCents"`       // 0 = none
	MaxPerNode   int             `json:"maxPerNode"`
	MaxVolumes   int             `json:"maxPerCluster"`
	MaxPerDay    int             `json:"maxPerDay"`
	OrderedToday int             `json:"orderedToday"`
}

// ForecastView of the pool. Times are absent where it isn't filling, or where the samples don't show it.
type ForecastView struct {
	PerDay      int64   `json:"bytesPerDay"`
	Confidence  float64 `json:"confidence"` // 0..1: how much of the change a straight line explains
	Confident   bool    `json:"confident"`
	Samples     int     `json:"samples"`
	SpanMS      int64   `json:"spanMs"`
	ThresholdMS int64   `json:"thresholdMs,omitempty"` // until the threshold is crossed
	FullMS      int64   `json:"fullMs,omitempty"`
}

// ExpansionView is one expansion: planned, going on, or over.
type ExpansionView struct {
	ID      string         `json:"id,omitempty"` // a plan has none
	State   ExpansionState `json:"state,omitempty"`
	Decided time.Time      `json:"decided,omitzero"`
	Why     string         `json:"why,omitempty"`
	Who     string         `json:"who,omitempty"`
	What    string         `json:"what"`
	Cost    Cents          `json:"costCents"` // per month
	Priced  bool           `json:"priced"`    // else the price isn't known
	Gain    int64          `json:"gainBytes"` // usable, raw
	Orders  []OrderView    `json:"orders,omitempty"`
	Refused string         `json:"refused,omitempty"` // why it can't be
	Outcome string         `json:"outcome,omitempty"`
	Ended   time.Time      `json:"ended,omitzero"`
}

// OrderView is one volume of an expansion.
type OrderView struct {
	Node    string     `json:"node"` // name
	SizeGiB int        `json:"sizeGib"`
	Type    string     `json:"type"`
	Stage   OrderStage `json:"stage,omitempty"`
	Volume  string     `json:"volumeId,omitempty"`
	InPool  bool       `json:"inPool,omitempty"`
	Given   bool       `json:"handedOver,omitempty"` // may hold data: never deleted by us
	Reason  string     `json:"reason,omitempty"`
	Message string     `json:"message,omitempty"`
}

// OrphanView is a volume that is paid for and serves nobody.
type OrphanView struct {
	VolumeID string `json:"volumeId"`
	Node     string `json:"node"`
	State    string `json:"state"`
	SizeGiB  int    `json:"sizeGib"`
	Cost     Cents  `json:"costCents"` // per month
	Priced   bool   `json:"priced"`
	Why      string `json:"why"` // and what to do
}

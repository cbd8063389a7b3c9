package mgmt

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Version words of the product that the stand-in presents itself as.
const (
	Version     = "3.6.700"      // as scli prints it
	VersionName = "R3_6.700.103" // as query_all and REST print it
	APIVersion  = "3.6"
)

// A Request is one command. Session is empty for the few that need none (login, query-cluster, create-cluster).
type Request struct {
	Client  string          `json:"client"` // "scli" or "gateway"
	Cmd     string          `json:"cmd"`
	Session string          `json:"session,omitempty"`
	Args    json.RawMessage `json:"args,omitempty"`
}

// An Answer carries a result or a fault, never both.
type Answer struct {
	Fault  *Fault          `json:"fault,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
}

// A Fault is the product's error: REST shows the code and the text, scli the text alone.
type Fault struct {
	Code int    `json:"code"`
	Text string `json:"text"`
}

func (f *Fault) Error() string { return f.Text }

// Is compares by code, so that faults that crossed the wire match the catalogue.
func (f *Fault) Is(target error) bool {
	var other *Fault
	return errors.As(target, &other) && other.Code == f.Code
}

// AsFault turns anything into a fault; what isn't one is the product's unspecific error.
func AsFault(err error) *Fault {
	var fault *Fault
	if errors.As(err, &fault) {
		return fault
	}
	return &Fault{Code: 1, Text: fmt.Sprintf("Error (%v)", err)}
}

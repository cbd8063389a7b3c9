package api

import (
	"encoding/json"
	"log/slog"
)

const redacted = "[redacted]"

// A Secret shows itself as [redacted] wherever it is printed, logged or marshalled.
type Secret struct{ value string }

// NewSecret wraps v.
func NewSecret(v string) Secret { return Secret{v} }

// Reveal gives the value, to be handed on and forgotten.
func (s Secret) Reveal() string { return s.value }

// Empty says whether there is no secret.
func (s Secret) Empty() bool { return s.value == "" }

// String redacts.
func (s Secret) String() string { return redacted }

// GoString redacts %#v.
func (s Secret) GoString() string { return redacted }

// LogValue redacts.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON redacts.
func (s Secret) MarshalJSON() ([]byte, error) { return json.Marshal(redacted) }

// Secrets travel only inside an Answer, over mTLS, to the node that needs them now.
type Secrets struct {
	Admin        Secret // ScaleIO's admin password: only for the holder of the formation grant or the leader lease
	GatewayAdmin Secret // for a manager while it installs its gateway
	VolumeUser   Secret // REX-Ray's own user
}

type wireSecrets struct {
	Admin        string `json:"admin,omitempty"`
	GatewayAdmin string `json:"gatewayAdmin,omitempty"`
	VolumeUser   string `json:"volumeUser,omitempty"`
}

// MarshalJSON writes the values: Secrets is the one type made to cross the wire.
func (s Secrets) MarshalJSON() ([]byte, error) {
	return json.Marshal(wireSecrets{s.Admin.value, s.GatewayAdmin.value, s.VolumeUser.value})
}

// UnmarshalJSON reads them.
func (s *Secrets) UnmarshalJSON(b []byte) error {
	var w wireSecrets
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	*s = Secrets{Secret{w.Admin}, Secret{w.GatewayAdmin}, Secret{w.VolumeUser}}
	return nil
}

// LogValue redacts.
func (s Secrets) LogValue() slog.Value { return slog.StringValue(redacted) }

// String redacts.
func (s Secrets) String() string { return redacted }

// LogValue shows which spec an answer carries, and nothing else.
func (a Answer) LogValue() slog.Value {
	return slog.GroupValue(slog.Int64("generation", a.Spec.Version.Generation), slog.String("role", string(a.Spec.Role)))
}

package mesos

import (
	"log/slog"
	"time"
)

// Config are the options of a dev master. The zero value is a master on
// 127.0.0.1:5050 with Mesos' own defaults, no authentication and every role.
type Config struct {
	// ID is the master's uuid, the prefix of all ids that it makes; random if empty.
	ID string
	// Hostname, IP and Port are what the master says of itself; it doesn't listen.
	Hostname string
	IP       string
	Port     int

	HeartbeatInterval  time.Duration // of a subscription; 15 s
	AllocationInterval time.Duration // between two rounds of offers; 1 s
	AgentPingTimeout   time.Duration // lost connection to unreachable; 75 s (15 s x 5)
	UpdateRetry        time.Duration // first retry of simulated agents; 10 s
	OfferTimeout       time.Duration // an unused offer is rescinded after it; 0 = never

	// Roles is the whitelist of --roles; empty = all.
	Roles []string
	// Credentials (principal -> secret) turn on HTTP basic authentication of frameworks.
	Credentials map[string]string
	// Leader (host:port), if set, makes this a non-leading master: everything
	// that a leader answers is redirected there. See also SetLeader.
	Leader string
	// MaxOffersPerEvent splits the offers of one round over several OFFERS
	// events; 0 = one event, as Mesos does. mesos-go ends a stream at a record
	// of more than 4 MiB, some 8,000 offers.
	MaxOffersPerEvent int

	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	text := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	duration := func(field *time.Duration, value time.Duration) {
		if *field <= 0 {
			*field = value
		}
	}
	text(&c.ID, newUUID())
	text(&c.IP, "127.0.0.1")
	text(&c.Hostname, c.IP)
	if c.Port == 0 {
		c.Port = 5050
	}
	duration(&c.HeartbeatInterval, 15*time.Second)
	duration(&c.AllocationInterval, time.Second)
	duration(&c.AgentPingTimeout, 75*time.Second)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

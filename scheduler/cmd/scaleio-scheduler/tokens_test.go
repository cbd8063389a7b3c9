package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

func TestWriteAgentYAML(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, writeAgentYAML(&out, api.NewToken{Token: "t0ken", Cluster: "c1", CA: "-----BEGIN\nMII\n-----END\n", Servers: []string{"https://s:1"}}))
	assert.Equal(t, "servers:\n  - https://s:1\ncluster: c1\nca: |\n  -----BEGIN\n  MII\n  -----END\ntoken: t0ken\n", out.String())
}

func TestTokenState(t *testing.T) {
	now := time.Now()
	good := api.TokenStatus{Count: 1, Expires: now.Add(time.Minute)}
	used, expired, revoked := good, good, good
	used.Nodes, expired.Expires, revoked.Revoked = []string{"n1"}, now.Add(-time.Minute), true
	for want, status := range map[string]api.TokenStatus{"good": good, "used up": used, "expired": expired, "revoked": revoked} {
		assert.Equal(t, want, tokenState(status, now))
	}
}

package trust_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/trust"
)

func TestEnrolment_use(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	_, digest := trust.NewToken()
	fresh := trust.Enrolment{Digest: digest, Count: 2, Expires: now.Add(time.Hour)}
	one, err := fresh.Use("key1", "n1", now)
	require.NoError(t, err)
	assert.Empty(t, fresh.Uses, "the one before stays as it was")
	two, err := one.Use("key2", "n2", now)
	require.NoError(t, err)
	revoked := one
	revoked.Revoked = true
	for name, row := range map[string]struct {
		e         trust.Enrolment
		key, node string
		at        time.Time
		uses      int
		want      error
	}{
		"the same again":            {one, "key1", "n1", now, 1, nil},
		"the same, used up":         {two, "key2", "n2", now, 2, nil},
		"the last moment":           {one, "key2", "n2", now.Add(time.Hour), 2, nil},
		"its key as another node":   {one, "key1", "n9", now, 1, trust.ErrEnrolmentOther},
		"used up":                   {two, "key3", "n3", now, 2, trust.ErrEnrolmentUsed},
		"another key of n1, counts": {one, "key9", "n1", now, 2, nil},
		"expired":                   {one, "key2", "n2", now.Add(time.Hour + 1), 1, trust.ErrEnrolmentExpired},
		"expired, known key":        {one, "key1", "n1", now.Add(time.Hour + 1), 1, trust.ErrEnrolmentExpired},
		"revoked":                   {revoked, "key1", "n1", now, 1, trust.ErrEnrolmentRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			next, err := row.e.Use(row.key, row.node, row.at)
			require.ErrorIs(t, err, row.want)
			assert.Len(t, next.Uses, row.uses)
		})
	}
	assert.Len(t, fresh.ID(), 12)
}

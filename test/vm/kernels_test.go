package vm

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNewestReleases(t *testing.T) {
	got, err := newestReleases([]string{
		"linux-headers-6.12.117+deb12-cloud-amd64", "linux-headers-6.1.0-9-cloud-amd64", "linux-headers-6.12.99+deb12-cloud-amd64",
		"linux-headers-cloud-amd64", "linux-headers-6.12-cloud-amd64", "linux-headers-6.1.0-56-cloud-amd64",
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"6.12.99+deb12-cloud-amd64", "6.12.117+deb12-cloud-amd64"}, got)

	got, err = newestReleases([]string{"linux-headers-6.1.0-9-cloud-amd64", "linux-headers-6.1.0-56-cloud-amd64"})
	require.NoError(t, err)
	assert.Equal(t, []string{"6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64"}, got)

	_, err = newestReleases([]string{"linux-headers-6.1.0-56-cloud-amd64"})
	assert.ErrorContains(t, err, "two kernels")
}

package cases

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestShape(t *testing.T) {
	const one = "Cluster:\n    Name: alpha, Mode: 3_node, State: Normal, Active: 3/3\n  Name: a, ID: 0x1ed68652078a0ab1 IP: 10.0.0.1 12.0 GB (12288 MB)"
	const other = "Cluster:\n    Name: beta, Mode: 3_node, State: Normal, Active: 5/5\n  Name: b, ID: 0x<id> IP: 10.77.0.3 0 Bytes"
	require.Equal(t, shape(one), shape("Cluster:\n    Name: beta, Mode: 3_node, State: Normal, Active: 5/5\n  Name: b, ID: 0x44691e69695396d0 IP: 10.77.0.3 0 Bytes"))
	require.Equal(t, shape(one), shape(other))
	require.Empty(t, differs(shape(one), shape(other)))
	require.NotEmpty(t, differs(shape(one), shape(other)[:1]))
	require.NotEmpty(t, differs(shape(one)[:1], shape(other)))
	require.NotEqual(t, shape(one), shape("Cluster:\n    Name: alpha, Mode: 3_node, State: Degraded, Active: 3/3\n"))
}

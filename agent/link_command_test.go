package agent

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPlace_letsPeopleTypeTheCommand(t *testing.T) {
	p, files, _ := placer()
	require.NoError(t, p.Place(t.Context(), placement(t)))
	data, err := files.Read("/usr/local/bin/scaleio-agent")
	require.NoError(t, err)
	assert.Equal(t, binary, string(data))
}

func TestPlace_linksElsewhereWhereUsrIsReadOnly(t *testing.T) {
	p, files, _ := placer()
	lay := files.Hook
	files.Hook = func(call string, effect func() error) error {
		if strings.Contains(call, "/usr/") {
			return errors.New("read-only file system")
		}
		return lay(call, effect)
	}
	require.NoError(t, p.Place(t.Context(), placement(t)))
	target, err := files.Readlink("/opt/bin/scaleio-agent")
	require.NoError(t, err)
	assert.Equal(t, "/opt/scaleio-agent/current/scaleio-agent", target)
}

func TestPlace_leavesAnotherCommandAlone(t *testing.T) {
	p, files, _ := placer()
	files.Set("/usr/local/bin/scaleio-agent", "a person's script", 0o755)
	require.NoError(t, p.Place(t.Context(), placement(t)))
	data, err := files.Read("/usr/local/bin/scaleio-agent")
	require.NoError(t, err)
	assert.Equal(t, "a person's script", string(data))
}

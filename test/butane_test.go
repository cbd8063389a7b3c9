package test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/agent"
	"scaleio-framework/systemd"
)

const (
	butaneFile = "../packaging/butane/scaleio-agent.bu"
	butaneUnit = "      # generated from systemd/units/scaleio-agent.service (make readme)\n      contents: |\n"
)

// ignition is what Butane makes of the file, as far as it is looked at.
type ignition struct {
	Storage struct {
		Files []struct {
			Path     string
			Mode     int
			Contents struct {
				Compression, Source string
				Verification        struct{ Hash string }
			}
		}
		Links []struct{ Path, Target string }
	}
	Systemd struct {
		Units []struct {
			Name, Contents string
			Enabled        bool
		}
	}
}

// translated by Butane itself; a warning is an error.
func translated(t *testing.T, text string) (ignition, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "run", ".")
	cmd.Dir, cmd.Stdin = "butane", strings.NewReader(text)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	var made ignition
	if err := cmd.Run(); err != nil {
		t.Log(problems.String())
		return made, err
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &made))
	return made, nil
}

func TestButane_unitIsTheShippedOne(t *testing.T) {
	text := read(t, butaneFile)
	before, _, ok := strings.Cut(text, butaneUnit)
	require.True(t, ok, "%s lacks the line of the unit", butaneFile)
	var unit strings.Builder
	for line := range strings.Lines(systemd.AgentUnitText) {
		if strings.TrimSpace(line) != "" {
			line = "        " + line
		}
		unit.WriteString(line)
	}
	if *update {
		require.NoError(t, os.WriteFile(butaneFile, []byte(before+butaneUnit+unit.String()), 0o600))
		return
	}
	assert.Equal(t, before+butaneUnit+unit.String(), text, "make readme writes it anew")
}

func TestButane_translatesToTheLetter(t *testing.T) {
	text := read(t, butaneFile)
	made, err := translated(t, text)
	require.NoError(t, err)

	require.Len(t, made.Systemd.Units, 1)
	unit := made.Systemd.Units[0]
	assert.Equal(t, agent.Unit, unit.Name)
	assert.True(t, unit.Enabled)
	assert.Equal(t, systemd.AgentUnitText, unit.Contents)

	require.Len(t, made.Storage.Files, 2)
	binary, config := made.Storage.Files[0], made.Storage.Files[1]
	hash, ok := strings.CutPrefix(binary.Contents.Verification.Hash, "sha256-")
	require.True(t, ok, "what runs as root is known by its hash")
	assert.Equal(t, agent.InstallDir+"/bin/"+hash+"/scaleio-agent", binary.Path, "where place puts it: it finds it there and adopts it")
	assert.Equal(t, 0o755, binary.Mode)
	require.Len(t, made.Storage.Links, 1)
	assert.Equal(t, agent.InstallDir+"/current", made.Storage.Links[0].Path)
	assert.Equal(t, agent.InstallDir+"/bin/"+hash, made.Storage.Links[0].Target)

	assert.Equal(t, agent.ConfigFile, config.Path)
	assert.Equal(t, 0o600, config.Mode, "it holds a token")
	source, err := url.Parse(config.Contents.Source)
	require.NoError(t, err)
	assert.Equal(t, "data", source.Scheme, "nothing but the agent is fetched")
	parsed, err := agent.ParseConfig(inline(t, config.Contents.Source, config.Contents.Compression))
	require.NoError(t, err)
	assert.NotEmpty(t, parsed.Cluster)
	assert.NotEmpty(t, parsed.CA)
	assert.False(t, parsed.Token.Empty())

	_, err = translated(t, strings.Replace(text, "enabled: true", "enabeld: true", 1))
	require.Error(t, err, "the check must be able to fail")
}

// inline is the content of a data URL.
func inline(t *testing.T, source, compression string) []byte {
	t.Helper()
	_, encoded, ok := strings.Cut(source, ",")
	require.True(t, ok)
	if strings.Contains(source[:len(source)-len(encoded)], ";base64") {
		raw, err := base64.StdEncoding.DecodeString(encoded)
		require.NoError(t, err)
		encoded = string(raw)
	} else {
		text, err := url.PathUnescape(encoded)
		require.NoError(t, err)
		encoded = text
	}
	if compression != "gzip" {
		return []byte(encoded)
	}
	zipped, err := gzip.NewReader(strings.NewReader(encoded))
	require.NoError(t, err)
	text, err := io.ReadAll(zipped)
	require.NoError(t, err)
	return text
}

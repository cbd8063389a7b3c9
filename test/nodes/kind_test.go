package nodes

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseKinds(t *testing.T) {
	for text, want := range map[string][]Kind{
		"3":                    {Ubuntu, Ubuntu, Ubuntu},
		"ubuntu":               {Ubuntu},
		"ubuntu,rocky,flatcar": {Ubuntu, Rocky, Flatcar},
		"rocky, rocky":         {Rocky, Rocky},
	} {
		got, err := ParseKinds(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "0", "-1", "1000", "ubuntu,", "ubuntu rocky", "windows"} {
		_, err := ParseKinds(text)
		require.Error(t, err, text)
	}
}

// Another kind is another root, and says what it presents.
func TestRecipes(t *testing.T) {
	keys := map[string]Kind{}
	for _, kind := range Kinds {
		r, err := kind.recipe()
		require.NoError(t, err)
		assert.Empty(t, keys[r.key()])
		keys[r.key()] = kind
		assert.Contains(t, r.Files["/etc/issue"], r.Presents)
	}
	_, err := Kind("windows").recipe()
	require.ErrorContains(t, err, "windows")
}

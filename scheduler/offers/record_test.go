package offers

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadRecord(t *testing.T) {
	in := bufio.NewReader(iotest.OneByteReader(strings.NewReader("5\nhello0\n3\nabc")))
	for _, want := range []string{"hello", "", "abc"} {
		got, err := readRecord(in, 10)
		require.NoError(t, err)
		assert.Equal(t, want, string(got))
	}
	_, err := readRecord(in, 10)
	assert.ErrorIs(t, err, io.EOF)
}

func TestReadRecord_refuses(t *testing.T) {
	for name, text := range map[string]string{
		"not a number": "x\n", "negative": "-1\n", "too large": "11\nhello world", "endless line": strings.Repeat("1", 30), "cut in the line": "1", "cut in the record": "5\nhel",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readRecord(bufio.NewReader(strings.NewReader(text)), 10)
			require.Error(t, err)
			assert.NotEqual(t, io.EOF, err)
		})
	}
}

// A SUBSCRIBED or OFFERS event of a large cluster is longer than the 4 MiB at which mesos-go's reader ends the stream.
func TestReadRecord_large(t *testing.T) {
	body := bytes.Repeat([]byte("o"), 5<<20)
	got, err := readRecord(bufio.NewReader(io.MultiReader(strings.NewReader(fmt.Sprintf("%d\n", len(body))), bytes.NewReader(body))), maxRecord)
	require.NoError(t, err)
	assert.Len(t, got, len(body))
}

func FuzzReadRecord(f *testing.F) {
	f.Add([]byte("5\nhello"))
	f.Add([]byte("99999999999999999999\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		record, err := readRecord(bufio.NewReader(bytes.NewReader(data)), 1<<16)
		if err == nil && len(record) > len(data) {
			t.Fatal("a record longer than its source")
		}
	})
}

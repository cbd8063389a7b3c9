package scheduler

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/scheduler/api"
)

const aReport = `{"node":{"id":"n%d"},"agent":"1.0.0","platform":{"os":"ubuntu22.04"},"disks":[{"id":"wwn-%d","path":"/dev/sdb","model":"DISK","state":"adopted"},
{"id":"a","path":"/dev/sdc","state":"refused"},{"id":"b","path":"/dev/sdd","state":"refused"}],"trusts":["ca"]}`

func decoded(t *testing.T, number int) *api.Report {
	t.Helper()
	var r api.Report
	require.NoError(t, json.Unmarshal(fmt.Appendf(nil, aReport, number, number), &r))
	return &r
}

func TestLexicon_reportsShareTheirWordsAndSayTheSame(t *testing.T) {
	l := lexicon{}
	first, second := decoded(t, 1), decoded(t, 2)
	require.NotSame(t, unsafe.StringData(first.Disks[0].Model), unsafe.StringData(second.Disks[0].Model))
	l.lean(first)
	l.lean(second)
	assert.Same(t, unsafe.StringData(first.Disks[0].Model), unsafe.StringData(second.Disks[0].Model))
	assert.Equal(t, cap(second.Disks), len(second.Disks))
	assert.Equal(t, decoded(t, 2), second)
}

// A node that says something new each time must not make the scheduler keep it.
func TestLexicon_isBounded(t *testing.T) {
	l := lexicon{}
	for i := range 3 * maxWords {
		r := decoded(t, i)
		r.Disks[0].Message = fmt.Sprintf("attempt %d", i)
		r.Disks[1].Message = strings.Repeat("x", maxWord+1)
		l.lean(r)
		require.Equal(t, fmt.Sprintf("attempt %d", i), r.Disks[0].Message)
	}
	assert.LessOrEqual(t, len(l), maxWords)
	assert.NotContains(t, l, strings.Repeat("x", maxWord+1))
}

package cases

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// samples are outputs of the vendor's scli as documented, in the stand-in's
// dialect; the stand-in's own tests hold it against them too.
const samples = "test/scaleio/scli/testdata"

// DocumentedOutputs fails unless scli on this cluster prints what is documented,
// but for names, numbers, sizes and addresses. top is the repository.
func (s *Stand) DocumentedOutputs(ctx context.Context, top string) error {
	var errs []error
	for file, query := range map[string][]string{
		"query_cluster.txt":        {"--query_cluster"},
		"query_all_sds.txt":        {"--query_all_sds"},
		"query_all.txt":            {"--query_all"},
		"query_properties-mdm.txt": {"--query_properties", "--object_type", "MDM", "--all_objects", "--preset", "ALL"},
	} {
		want, err := os.ReadFile(filepath.Join(top, samples, file))
		if err != nil {
			return fmt.Errorf("reading a documented output: %w", err)
		}
		got, err := s.scli(ctx, query...)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if line := differs(shape(string(want)), shape(got)); line != "" {
			errs = append(errs, fmt.Errorf("scli %s prints a line that isn't documented, or not there: %q", strings.Join(query, " "), line))
		}
	}
	return errors.Join(errs...)
}

// varying is what differs from cluster to cluster, in the order to look for it.
var varying = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`0x(<id>|[0-9a-f]{16}\b)`), "HEXID"},
	{regexp.MustCompile(`<id>|\b[0-9a-f]{16}\b`), "ID"},
	{regexp.MustCompile(`[0-9A-F]{2}(:[0-9A-F]{2}){10,}|<Not Set>|[A-Z][a-z]{2} [ 0-9]?\d \d\d:\d\d:\d\d \d{4} GMT`), "CERTIFICATE"},
	{regexp.MustCompile(`\d+(\.\d+){3}`), "IP"},
	{regexp.MustCompile(`\d+(\.\d+)? (Bytes|KB|MB|GB|TB)( \(\d+ (Bytes|KB|MB|GB|TB)\))?`), "SIZE"},
	{regexp.MustCompile(`(Name: +|NAME +|Storage Pool |Protection Domain |IPS +)[^\s,(]+`), "${1}X"},
	{regexp.MustCompile(`\b(Yes|No|enabled|disabled|Enabled|Disabled)\b`), "SWITCH"},
	{regexp.MustCompile(`\b\d+(\.\d+)?%?`), "N"},
}

// differs is the first line in which two shapes differ.
func differs(want, got []string) string {
	for i := range max(len(want), len(got)) {
		switch {
		case i >= len(got):
			return want[i]
		case i >= len(want) || want[i] != got[i]:
			return got[i]
		}
	}
	return ""
}

// shape is a text with what varies taken out. Repetitions are one: how many SDSs
// there are isn't a matter of the dialect; nor is which kinds of volumes.
func shape(text string) []string {
	text, _, _ = strings.Cut(text, "Volumes summary:")
	for _, v := range varying {
		text = v.pattern.ReplaceAllString(text, v.name)
	}
	return slices.Compact(strings.Split(strings.TrimSpace(text), "\n"))
}

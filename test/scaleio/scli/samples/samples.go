package samples

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Mark begins a line that no documented output shows: it is by analogy, or of a recording that the documentation cites in parts.
const Mark = "~"

// Read gives a documented output; dir is this package's ../testdata.
func Read(dir, name string) (Text, error) {
	raw, err := read(dir, name)
	return Shape(raw), err
}

// read leaves the marks out.
func read(dir, name string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(dir, name+".txt"))
	if err != nil {
		return "", fmt.Errorf("reading the documented output %s: %w", name, err)
	}
	lines := strings.Split(string(raw), "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], Mark)
	}
	return strings.Join(lines, "\n"), nil
}

// entry begins what a cluster has any number of, none included, in no order of its own: an entry is its line and the deeper ones below.
var entry = regexp.MustCompile(`^(?:    (?:Name: NAME, )?ID: 0xID|S[DC][SC] ID: | Volume ID: |\t N: |[A-Z_]+ ID:$|ID \w+ +(?:Yes|No) |Fault Set: |\tName:  NAME$` +
	`|\tN (?:thick|thin)-provisioned |\tNo volumes defined$| {6}SDC ID: )`)

// A block is one line that is always there, or a run of entries and whether blank lines are between them ('b') or not ('-').
type block struct {
	line    string
	entries []string
	between string
}

// Differs says what of an output the sample doesn't show, or the reverse; "" if they are the same but for values and the number of entries.
func Differs(sample, output Text) string {
	want, got := sample.blocks(), output.blocks()
	for len(want) > 0 || len(got) > 0 {
		switch {
		case len(want) > 0 && want[0].entries != nil:
			if len(got) > 0 && got[0].entries != nil {
				if undocumented := want[0].lacks(got[0]); undocumented != "" {
					return fmt.Sprintf("printed, but not documented: %q", undocumented)
				}
				got = got[1:]
			}
			want = want[1:]
		case len(got) == 0:
			return fmt.Sprintf("documented, but not printed: %q", want[0].line)
		case got[0].entries != nil:
			return fmt.Sprintf("printed, but not documented: %q", got[0].entries[0])
		case len(want) == 0 || want[0].line != got[0].line:
			return fmt.Sprintf("printed, but not documented: %q", got[0].line)
		default:
			want, got = want[1:], got[1:]
		}
	}
	return ""
}

// lacks gives the first entry that isn't like one of b's, or isn't parted from the others as these are.
func (b block) lacks(other block) string {
	for _, e := range other.entries {
		if !slices.Contains(b.entries, e) {
			return e
		}
	}
	if b.between != "" && strings.Trim(b.between+other.between, b.between[:1]) != "" {
		return strings.Join(other.entries, "\n")
	}
	return ""
}

func (lines Text) blocks() []block {
	starts := func(i int) bool { return i < len(lines) && entry.MatchString(lines[i]) }
	var all []block
	running := false
	for i := 0; i < len(lines); {
		between := "-"
		if running && lines[i] == "" && starts(i+1) {
			between, i = "b", i+1
		}
		if !starts(i) {
			all = append(all, block{line: lines[i]})
			running = false
			i++
			continue
		}
		head := i
		for i++; i < len(lines) && indent(lines[i]) > indent(lines[head]); i++ {
		}
		if !running {
			all = append(all, block{})
			running, between = true, ""
		}
		last := &all[len(all)-1]
		last.entries = append(last.entries, strings.Join(lines[head:i], "\n"))
		last.between += between
	}
	return all
}

// indent in columns: captures have tabs and blanks.
func indent(line string) int {
	columns := 0
	for _, c := range line {
		switch c {
		case ' ':
			columns++
		case '\t':
			columns += 8 - columns%8
		default:
			return columns
		}
	}
	return 0
}

package samples

import (
	"regexp"
	"strings"
)

// Text is an output by lines, every value replaced by what kind of value it is. Labels, blanks, tabs, case and words stay.
type Text []string

// Shape makes one of what scli printed.
func Shape(output string) Text {
	lines := strings.Split(output, "\n")
	for i := range lines {
		lines[i] = shape(lines[i])
	}
	return lines
}

// varying is what differs from cluster to cluster, in the order in which it is looked for.
var varying = []struct {
	where *regexp.Regexp
	as    string
}{
	{regexp.MustCompile(`(Name: +)[\w./-]+`), "${1}NAME"},
	{regexp.MustCompile(`^(Protection Domain |Storage Pool )[\w./-]+( \(Id: )`), "${1}NAME${2}"},
	{regexp.MustCompile(`(Storage Pool: )[\w./-]+(,)`), "${1}NAME${2}"},
	{regexp.MustCompile(`^(\tNAME +)[\w./-]+$`), "${1}NAME"},
	{regexp.MustCompile(`^([0-9a-f]{16} \w+ +(?:Yes|No) +)[\w./-]+$`), "${1}NAME"}, // query_users
	{regexp.MustCompile(`^(\tORIGINAL_PATH +)/[\w./:-]+$`), "${1}PATH"},
	{regexp.MustCompile(`(Path: )/[\w./:-]+`), "${1}PATH"},
	{regexp.MustCompile(`(-path: )/[\w./:-]+`), "${1}PATH"},
	{regexp.MustCompile(`(-provisioned volume)s?\.`), "${1}s."},
	{regexp.MustCompile(`(GUID:? +)[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}\b`), "${1}GUID"},
	{regexp.MustCompile(`^(\tCERTIFICATE_EXPIRY +)[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} GMT$`), "${1}TIME"},
	{regexp.MustCompile(`^(\tCERTIFICATE_THUMBPRINT +)(?:[0-9A-F]{2}(?::[0-9A-F]{2}){19}|(?:[0-9A-F]{2}:)+\.\.\.(?::[0-9A-F]{2})+)$`), "${1}THUMBPRINT"}, // documents cut some short
	{regexp.MustCompile(`(Creation time: )\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "${1}TIME"},
	{regexp.MustCompile(`(Id: )[0-9a-f]{4}\.\.\.`), "${1}ID"},
	{regexp.MustCompile(`0x[0-9a-f]{16}\b`), "0xID"},
	{regexp.MustCompile(`\b[0-9a-f]{16}\b`), "ID"},
	{regexp.MustCompile(`\b\d+\.\d+\.\d+\.\d+\b(?:, \d+\.\d+\.\d+\.\d+\b)*`), "ADDRESSES"},
	{regexp.MustCompile(`\bR\d+_\d+\.\d+\.\d+\b|\b\d+\.\d+\.\d+\b`), "VERSION"},
	{regexp.MustCompile(`\b0 Bytes\b|\b\d+\.\d (?:KB \(\d+ Bytes|MB \(\d+ KB|GB \(\d+ MB|TB \(\d+ GB|PB \(\d+ TB)\)`), "SIZE"},
}

// A cluster's mode, its members at work and the protocol's version are no mere numbers: they are part of what a sample says.
var (
	number = regexp.MustCompile(`\b\d_node\b|\b\d/\d\b|\bTLSv[\d.]+|\b\d+\b`)
	digits = regexp.MustCompile(`^\d+$`)
)

func shape(line string) string {
	for _, v := range varying {
		line = v.where.ReplaceAllString(line, v.as)
	}
	return number.ReplaceAllStringFunc(line, func(found string) string {
		if digits.MatchString(found) {
			return "N"
		}
		return found
	})
}

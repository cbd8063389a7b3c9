package scaleio

import (
	"net/netip"
	"strconv"
	"strings"
)

// A reader walks the lines of one answer. Blank lines say nothing; every other must be recognised.
type reader struct {
	what  string
	raw   string
	lines []string
	at    int
}

func read(what, raw string) *reader {
	r := &reader{what: what, raw: raw}
	for _, l := range strings.Split(raw, "\n") {
		if l = strings.TrimRight(l, " \t\r"); strings.TrimSpace(l) != "" {
			r.lines = append(r.lines, l)
		}
	}
	return r
}

func (r *reader) more() bool { return r.at < len(r.lines) }

// line without its indent.
func (r *reader) line() string {
	if !r.more() {
		return ""
	}
	return strings.TrimSpace(r.lines[r.at])
}

// take the line if it matches whole.
func (r *reader) take(re pattern) []string {
	if !r.more() {
		return nil
	}
	m := re().FindStringSubmatch(r.line())
	if m != nil {
		r.at++
	}
	return m
}

// takeText takes the line if it is this one.
func (r *reader) takeText(text string) bool {
	if r.more() && r.line() == text {
		r.at++
		return true
	}
	return false
}

// stuck is the error for the line that nobody recognised, or for an answer that ended too early.
func (r *reader) stuck() error {
	line := "(end)"
	if r.more() {
		line = r.line()
	}
	return unknown(r.what, line, r.raw)
}

// number that a regexp has already found to be one; one too long for an int is no number of ours.
func (r *reader) number(s string, into *int) bool {
	n, err := strconv.Atoi(s)
	*into = n
	return err == nil
}

// addresses of a comma list; false if one isn't an address. "N/A" is none.
func addresses(s string) ([]string, bool) {
	s = strings.TrimSpace(s)
	if s == "" || s == "N/A" {
		return nil, true
	}
	var ips []string
	for _, part := range strings.Split(s, ",") {
		ip, err := netip.ParseAddr(strings.TrimSpace(part))
		if err != nil || ip.Zone() != "" {
			return nil, false
		}
		ips = append(ips, ip.String())
	}
	return ips, true
}

// named gives "" for what the product shows of an object without name.
func named(s string) string {
	if s == "N/A" || s == "<No Name>" {
		return ""
	}
	return s
}

// knownVersion says whether the dialect of this version was ever recorded.
func knownVersion(v string) bool {
	_, err := LimitsOf(v)
	return err == nil
}

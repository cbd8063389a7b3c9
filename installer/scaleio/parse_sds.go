package scaleio

import "strings"

var (
	sdssLine      = lazily(`^Query-all-SDS returned (\d+) SDS nodes\.?$`)
	sdsDomainLine = lazily(`^Protection Domain ([0-9a-f]{16}) Name: (\S+)$`)
	sdsLine       = lazily(`^SDS ID: ([0-9a-f]{16}) Name: (\S+) State: (\w+), (\w+) IP: ([0-9a-fA-F:., ]+) Port: (\d+) Version: (\S+)$`)
)

// ParseQueryAllSDS reads query_all_sds.
func ParseQueryAllSDS(raw string) ([]ShownSDS, error) {
	r := read("query_all_sds", raw)
	head := sdssLine().FindStringSubmatch(r.line())
	var count int
	if head == nil || !r.number(head[1], &count) {
		return nil, r.stuck()
	}
	r.at++
	var all []ShownSDS
	var domain []string
	for r.more() {
		if m := r.take(sdsDomainLine); m != nil {
			domain = m
			continue
		}
		m := sdsLine().FindStringSubmatch(r.line())
		if m == nil || domain == nil || !knownVersion(m[7]) {
			return nil, r.stuck()
		}
		s := ShownSDS{ID: m[1], Name: named(m[2]), DomainID: domain[1], DomainName: domain[2], Connection: m[3], Membership: m[4], Version: m[7]}
		var ok bool
		if s.IPs, ok = addresses(m[5]); !ok || len(s.IPs) == 0 || !r.number(m[6], &s.Port) {
			return nil, r.stuck()
		}
		r.at++
		all = append(all, s)
	}
	if len(all) != count {
		return nil, r.stuck()
	}
	return all, nil
}

var (
	oneSDSLine    = lazily(`^SDS ([0-9a-f]{16}) Name: (\S+) Version: (\S+)$`)
	oneDomainLine = lazily(`^Protection Domain: ([0-9a-f]{16}), Name: (\S+)$`)
	oneFaultLine  = lazily(`^Fault Set: (?:([0-9a-f]{16}), Name: (\S+)|N/A)$`)
	ipsLine       = lazily(`^IP information \(total (\d+) IPs\):$`)
	ipLine        = lazily(`^(\d+): (\S+)\s+Role: (All \(SDS and SDC\)|SDS Only|SDC Only)$`)
	portLine      = lazily(`^Port: (\d+)$`)
	devicesLine   = lazily(`^Device information \(total (\d+) devices\):$`)
	deviceLine    = lazily(`^(\d+): Name: (\S+)\s+Path: (\S+)\s+Original-path: (\S+)\s+ID: ([0-9a-f]{16})$`)
	devicePool    = lazily(`^Storage Pool: (\S+), Capacity: (\S+ \S+) Error-fixes: \d+ scanned \d+ [KMGT]?B(?:ytes)?, Compare errors: \d+ State: (\S.*)$`)
	stateLine     = lazily(`^Membership-state: (\w+); Connection-state: (\w+); SDS-state: ([\w ]+); \d+ devices with error(?:;.*)?$`)

	// What query_sds says besides; none of it decides anything.
	aside = lazily(`^(?:DRL mode: .*|Authentication error: \w+|RAM Read Cache.*|Rfcache .*|No devices use Rfcache|Cache is (?:enabled|disabled)|RAM Read Cache memory allocation state is \w+` +
		`|` + size + ` total size|` + size + ` [a-z -]+ capacity|\d+ (?:active|pending) moving-(?:in|out) [a-z-]+ jobs|[A-Z][a-z-]+-(?:reads|writes) +\d+ IOPS .* per-second)$`)
	ipRoles = map[string]string{"All (SDS and SDC)": "all", "SDS Only": "sdsOnly", "SDC Only": "sdcOnly"}
)

// A size as the product prints it: "0 Bytes", "298 GB (305152 MB)".
const size = `[\d.]+ (?:Bytes|[KMGTP]B)(?: \([\d.]+ (?:Bytes|[KMGTP]B)\))?`

// ParseQuerySDS reads query_sds.
func ParseQuerySDS(raw string) (ShownSDS, error) {
	r := read("query_sds", raw)
	var s ShownSDS
	m := oneSDSLine().FindStringSubmatch(r.line())
	if m == nil || !knownVersion(m[3]) {
		return s, r.stuck()
	}
	s.ID, s.Name, s.Version = m[1], named(m[2]), m[3]
	r.at++
	ips, devices := -1, -1
	for r.more() {
		if !r.sdsLine(&s, &ips, &devices) {
			return s, r.stuck()
		}
	}
	if s.DomainID == "" || s.Membership == "" || s.Port == 0 || ips != len(s.IPs) || devices != len(s.Devices) {
		return s, r.stuck()
	}
	return s, nil
}

func (r *reader) sdsLine(s *ShownSDS, ips, devices *int) bool {
	line := r.line()
	r.at++
	ok := false
	switch {
	case aside().MatchString(line):
		return true
	case match(oneDomainLine, line, func(m []string) { s.DomainID, s.DomainName, ok = m[1], m[2], true }):
	case match(oneFaultLine, line, func(m []string) { s.FaultSet, ok = m[2], true }):
	case match(ipsLine, line, func(m []string) { ok = r.number(m[1], ips) }):
	case match(ipLine, line, func(m []string) {
		var ip []string
		if ip, ok = addresses(m[2]); ok {
			s.IPs, s.Roles = append(s.IPs, ip...), append(s.Roles, ipRoles[m[3]])
		}
	}):
	case match(portLine, line, func(m []string) { ok = r.number(m[1], &s.Port) }):
	case match(devicesLine, line, func(m []string) { ok = r.number(m[1], devices) }):
	case match(deviceLine, line, func(m []string) { ok = r.device(s, m) }):
	case match(stateLine, line, func(m []string) { s.Membership, s.Connection, s.State, ok = m[1], m[2], strings.TrimSpace(m[3]), true }):
	}
	if !ok {
		r.at--
	}
	return ok
}

// device has a second line.
func (r *reader) device(s *ShownSDS, m []string) bool {
	pool := r.take(devicePool)
	if pool == nil {
		return false
	}
	s.Devices = append(s.Devices, ShownDevice{ID: m[5], Name: named(m[2]), Path: m[3], OriginalPath: m[4], Pool: pool[1], Capacity: pool[2], State: pool[3]})
	return true
}

func match(re pattern, line string, then func([]string)) bool {
	m := re().FindStringSubmatch(line)
	if m != nil {
		then(m)
	}
	return m != nil
}

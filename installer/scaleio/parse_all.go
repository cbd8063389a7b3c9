package scaleio

import "strings"

var (
	productLine  = lazily(`^Product: +(?:DellEMC|EMC) ScaleIO Version: (R\d+_\S+)$`)
	systemIDLine = lazily(`^ID: +([0-9a-f]{16})$`)
	systemName   = lazily(`^Name: +(\S+)$`)
	installLine  = lazily(`^Installation ID: ([0-9a-f]{16})$`)
	returnedLine = lazily(`^Query all returned (\d+) Protection Domains?:$`)
	domainLine   = lazily(`^Protection Domain (\S+) \(Id: ([0-9a-f]{16})\) has \d+ storage pools?, (\d+) Fault Sets?, (\d+) SDS nodes?, (\d+) volumes? and ` + size + ` available for volume allocation$`)
	operational  = lazily(`^Operational state is (\w+)$`)
	poolLine     = lazily(`^Storage Pool (\S+) \(Id: ([0-9a-f]{16})\) has (?:(\d+|[Nn]o) volumes?) and ` + size + ` available for volume allocation$`)
	spareLine    = lazily(`^Spare policy: (\d+)% out of total$`)
	paddingLine  = lazily(`^Zero padding is (enabled|disabled)$`)
	mediaLine    = lazily(`^Media type: (\w+)$`)
	totalLine    = lazily(`^Total (\d+) SDS Nodes$`)
	joinedLine   = lazily(`^(\d+) SDS nodes have (membership|connection) state '(\w+)'$`)
	capacityLine = lazily(`^(` + size + `) ([a-z -]+) capacity$`)
	moving       = lazily(`degraded|failed|unreachable|rebuild|semi-protected|in-maintenance`)

	// What query_all says besides. Nothing is decided on it, but another line among it means another dialect.
	allAside = lazily(`^(?:System Info:|License info:|System settings:|SDS Summary:|Volumes summary:|Manager ID: +[0-9a-f]{16}|SWID:.*|Maximum capacity: .*|Usage time left: .*` +
		`|Enterprise features: \w+|The system was activated \d+ days? ago|Capacity alert thresholds: High: \d+, Critical: \d+|Thick volume reservation percent: \d+` +
		`|Management Clients secure communication: \w+|TLS version: \S+|CLI preemptive login banner acceptance via shell: \w+|User authentication method: \w+` +
		`|SDS connection authentication: \w+|Rfcache (?:enabled|disabled).*|The number of parallel rebuild/rebalance jobs: \d+` +
		`|Rebuild is .*|Rebalance is .*|Number of concurrent IOs per device: .*|Background device scanner: .*|Checksum mode: \w+|(?:Uses|Doesn't use) (?:RAM|Flash) Read Cache` +
		`|RAM Read Cache write handling mode is '\w+'|[A-Z][a-z-]+-(?:reads|writes) +\d+ IOPS .* per-second|\d+ (?:thin|thick)-provisioned volumes?\. .*|No volumes defined)$`)
)

// ParseQueryAll reads query_all.
func ParseQueryAll(raw string) (System, error) {
	r := read("query_all", raw)
	var s System
	domains, ok := -1, true
	for ok && r.more() {
		line := r.line()
		ok = r.systemLine(&s, line) || r.domainLine(&s, line, &domains) || summaryLine(&s, line, r) || allAside().MatchString(line)
		r.at++
	}
	if !ok {
		r.at--
		return s, r.stuck()
	}
	if s.ID == "" || s.Version == "" || domains != len(s.Domains) || !knownVersion(s.Version) {
		return s, r.stuck()
	}
	return s, nil
}

func (r *reader) systemLine(s *System, line string) bool {
	switch {
	case match(productLine, line, func(m []string) { s.Version = m[1] }):
	case match(systemIDLine, line, func(m []string) { s.ID = m[1] }):
	case match(systemName, line, func(m []string) { s.Name = m[1] }):
	case match(installLine, line, func(m []string) { s.InstallationID = m[1] }):
	case match(restrictedLine, line, func(m []string) { s.RestrictedSDC = !strings.EqualFold(m[1], "disabled") }):
	default:
		return false
	}
	return true
}

func (r *reader) domainLine(s *System, line string, domains *int) bool {
	ok := false
	domain := func() *Domain {
		if len(s.Domains) == 0 {
			return nil
		}
		return &s.Domains[len(s.Domains)-1]
	}
	pool := func(then func(*Pool)) {
		if d := domain(); d != nil && len(d.Pools) > 0 {
			then(&d.Pools[len(d.Pools)-1])
			ok = true
		}
	}
	switch {
	case match(returnedLine, line, func(m []string) { ok = r.number(m[1], domains) }):
	case match(domainLine, line, func(m []string) {
		d := Domain{Name: m[1], ID: m[2]}
		ok = r.number(m[3], &d.FaultSets) && r.number(m[4], &d.SDSs) && r.number(m[5], &d.Volumes)
		s.Domains = append(s.Domains, d)
	}):
	case match(operational, line, func(m []string) {
		if d := domain(); d != nil {
			d.State, ok = m[1], true
		}
	}):
	case match(poolLine, line, func(m []string) {
		p := Pool{Name: m[1], ID: m[2]}
		if d := domain(); d != nil && (strings.EqualFold(m[3], "no") || r.number(m[3], &p.Volumes)) {
			d.Pools, ok = append(d.Pools, p), true
		}
	}):
	case match(spareLine, line, func(m []string) { pool(func(p *Pool) { r.number(m[1], &p.SparePercent) }) }):
	case match(paddingLine, line, func(m []string) { pool(func(p *Pool) { p.ZeroPadding = m[1] == "enabled" }) }):
	case match(mediaLine, line, func(m []string) { pool(func(p *Pool) { p.MediaType = m[1] }) }):
	}
	return ok
}

func summaryLine(s *System, line string, r *reader) bool {
	ok := false
	switch {
	case match(totalLine, line, func(m []string) { ok = r.number(m[1], &s.SDSs) }):
	case match(joinedLine, line, func(m []string) {
		var n int
		ok = r.number(m[1], &n)
		switch {
		case m[2] == "membership" && m[3] == "Joined":
			s.Joined = n
		case m[2] == "connection" && m[3] == "Connected":
			s.Connected = n
		}
	}):
	case match(capacityLine, line, func(m []string) {
		ok = true
		if !strings.HasPrefix(m[1], "0 ") && moving().MatchString(m[2]) {
			s.Moving = append(s.Moving, m[2])
		}
	}):
	}
	return ok
}

package scaleio

var (
	retrievedLine = lazily(`^Retrieved (\d+) mdm\(s\)$`)
	knownMDMLine  = lazily(`^MDM-ID ([0-9a-f]{16}) SDC ID ([0-9a-f]{16}) INSTALLATION ID ([0-9a-f]{16}) IPs ((?:\[\d+\]-\S+ ?)+)$`)
	knownIP       = lazily(`\[\d+\]-(\S+)`)
	guidLine      = lazily(`^([0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12})$`)
)

// ParseDrvCfgMDMs reads drv_cfg --query_mdms.
func ParseDrvCfgMDMs(raw string) ([]KnownMDM, error) {
	r := read("drv_cfg --query_mdms", raw)
	head := retrievedLine().FindStringSubmatch(r.line())
	var count int
	if head == nil || !r.number(head[1], &count) {
		return nil, r.stuck()
	}
	r.at++
	var all []KnownMDM
	for r.more() {
		m := knownMDMLine().FindStringSubmatch(r.line())
		if m == nil {
			return nil, r.stuck()
		}
		known := KnownMDM{SystemID: m[1], SDCID: m[2], InstallationID: m[3]}
		for _, ip := range knownIP().FindAllStringSubmatch(m[4], -1) {
			a, ok := addresses(ip[1])
			if !ok || len(a) != 1 {
				return nil, r.stuck()
			}
			known.IPs = append(known.IPs, a[0])
		}
		r.at++
		all = append(all, known)
	}
	if len(all) != count {
		return nil, r.stuck()
	}
	return all, nil
}

// ParseDrvCfgGUID reads drv_cfg --query_guid.
func ParseDrvCfgGUID(raw string) (string, error) {
	r := read("drv_cfg --query_guid", raw)
	m := r.take(guidLine)
	if m == nil || r.more() {
		return "", r.stuck()
	}
	return m[1], nil
}

package scaleio

import "strings"

var (
	restrictedLine = lazily(`^MDM restricted SDC mode: (\w+)$`)
	sdcsLine       = lazily(`^Query all SDC returned (\d+) SDC nodes\.$`)
	sdcLine        = lazily(`^SDC ID: ([0-9a-f]{16}) Name: (\S+) IP: (\S+) State: (\w+) GUID: ([0-9A-F-]{36})(?: OS Type: (\w+))?` +
		`(?: Approved: (yes|no))?(?: Loaded Version: (\S+))?(?: Installed Version: (\S+))?$`)
	bandwidthLine = lazily(`^(?:Read|Write) bandwidth:\s+\d+ IOPS .* per-second$`)
)

// ParseQueryAllSDC reads query_all_sdc. Approved is shown in restricted mode alone: elsewhere every client is.
func ParseQueryAllSDC(raw string) ([]ShownSDC, error) {
	r := read("query_all_sdc", raw)
	restricted := r.take(restrictedLine)
	head := sdcsLine().FindStringSubmatch(r.line())
	var count int
	if head == nil || !r.number(head[1], &count) {
		return nil, r.stuck()
	}
	r.at++
	open := restricted == nil || strings.EqualFold(restricted[1], "disabled")
	var all []ShownSDC
	for r.more() {
		m := sdcLine().FindStringSubmatch(r.line())
		if m == nil {
			return nil, r.stuck()
		}
		ips, ok := addresses(m[3])
		if !ok || len(ips) != 1 && m[3] != "N/A" {
			return nil, r.stuck()
		}
		r.at++
		all = append(all, ShownSDC{ID: m[1], Name: named(m[2]), IP: named(m[3]), State: m[4], GUID: m[5],
			Approved: m[7] == "yes" || m[7] == "" && open, Version: m[8]})
		for r.take(bandwidthLine) != nil {
			continue
		}
	}
	if len(all) != count {
		return nil, r.stuck()
	}
	return all, nil
}

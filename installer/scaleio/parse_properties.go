package scaleio

import "strings"

var (
	objectLine   = lazily(`^([A-Z][A-Z_]*) ([0-9a-f]{16}):$`)
	propertyLine = lazily(`^([A-Z][A-Z0-9_]*)(?: +(.*))?$`)
)

// ParseQueryProperties reads query_properties, the best form that scli has for machines. Which keys come back is the asker's business.
func ParseQueryProperties(raw string) ([]Properties, error) {
	r := read("query_properties", raw)
	if r.takeText("No objects returned") {
		if r.more() {
			return nil, r.stuck()
		}
		return nil, nil
	}
	var all []Properties
	for r.more() {
		if m := r.take(objectLine); m != nil {
			all = append(all, Properties{Type: m[1], ID: m[2], Values: map[string]string{}})
			continue
		}
		m := propertyLine().FindStringSubmatch(r.line())
		if m == nil || len(all) == 0 {
			return nil, r.stuck()
		}
		values := all[len(all)-1].Values
		if _, twice := values[m[1]]; twice {
			return nil, r.stuck()
		}
		values[m[1]] = strings.TrimSpace(m[2])
		r.at++
	}
	if len(all) == 0 {
		return nil, r.stuck()
	}
	return all, nil
}

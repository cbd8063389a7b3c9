package resource

import "slices"

// merged sorts spans and joins those that touch.
func merged(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int {
		if a.begin < b.begin {
			return -1
		}
		return 1
	})
	var out []span
	for _, s := range spans {
		if n := len(out); n > 0 && s.begin <= out[n-1].end+1 {
			out[n-1].end = max(out[n-1].end, s.end)
			continue
		}
		out = append(out, s)
	}
	return out
}

// without cuts the taken spans out of the others.
func without(spans, taken []span) []span {
	left := slices.Clone(spans)
	for _, t := range taken {
		var next []span
		for _, s := range left {
			if t.end < s.begin || t.begin > s.end {
				next = append(next, s)
				continue
			}
			if s.begin < t.begin {
				next = append(next, span{s.begin, t.begin - 1})
			}
			if t.end < s.end {
				next = append(next, span{t.end + 1, s.end})
			}
		}
		left = next
	}
	return left
}

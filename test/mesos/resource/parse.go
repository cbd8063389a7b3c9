package resource

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	v1 "github.com/mesos/mesos-go/api/v1/lib"
)

// Parse reads the text of --resources:
// `cpus:4;mem:4096;disk(scaleio):10240;ports:[31000-32000]`.
func Parse(text string) (Bundle, error) {
	var b Bundle
	for _, part := range split(text) {
		name, value, found := strings.Cut(part, ":")
		if !found {
			return Bundle{}, fmt.Errorf("parsing resource %q: expecting name:value", part)
		}
		e := entry{name: strings.TrimSpace(name), role: Unreserved}
		if open := strings.Index(e.name, "("); open > 0 && strings.HasSuffix(e.name, ")") {
			e.name, e.role = e.name[:open], e.name[open+1:len(e.name)-1]
		}
		value = strings.TrimSpace(value)
		if strings.HasPrefix(value, "[") {
			spans, err := parseSpans(value)
			if err != nil {
				return Bundle{}, fmt.Errorf("parsing resource %q: %w", part, err)
			}
			e.isRanges, e.spans = true, merged(spans)
		} else {
			number, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return Bundle{}, fmt.Errorf("parsing resource %q: %w", part, err)
			}
			e.milli = int64(math.Round(number * 1000))
		}
		b = b.with(e)
	}
	return b, nil
}

func parseSpans(text string) ([]span, error) {
	var spans []span
	for _, each := range strings.Split(strings.Trim(text, "[]"), ",") {
		begin, end, found := strings.Cut(strings.TrimSpace(each), "-")
		if !found {
			end = begin
		}
		from, err := strconv.ParseUint(begin, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("reading range %q: %w", each, err)
		}
		to, err := strconv.ParseUint(end, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("reading range %q: %w", each, err)
		}
		spans = append(spans, span{from, to})
	}
	return spans, nil
}

// Attributes reads the text of --attributes. The type follows from the value:
// `level:10` is a SCALAR, everything else that a node has is TEXT.
func Attributes(text string) ([]v1.Attribute, error) {
	var attributes []v1.Attribute
	for _, part := range split(text) {
		name, value, found := strings.Cut(part, ":")
		if !found || name == "" {
			return nil, fmt.Errorf("parsing attribute %q: expecting name:value", part)
		}
		value = strings.TrimSpace(value)
		attribute := v1.Attribute{Name: strings.TrimSpace(name)}
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			attribute.Type, attribute.Scalar = v1.SCALAR, &v1.Value_Scalar{Value: number}
		} else {
			attribute.Type, attribute.Text = v1.TEXT, &v1.Value_Text{Value: value}
		}
		attributes = append(attributes, attribute)
	}
	return attributes, nil
}

func split(text string) []string {
	var parts []string
	for _, part := range strings.Split(text, ";") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

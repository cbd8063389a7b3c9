package aws

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"scaleio-framework/test/aws/iam"
)

// query is a request's form. Its methods remember the first thing that is wrong with it.
type query struct {
	form url.Values
	bad  *apiError
}

func (q *query) text(key string) string { return q.form.Get(key) }

// need is text that must be there.
func (q *query) need(key string) string {
	value := q.form.Get(key)
	if value == "" {
		q.fail("MissingParameter", "The request must contain the parameter %s", key)
	}
	return value
}

func (q *query) fail(code, format string, args ...any) {
	if q.bad == nil {
		q.bad = fault400(code, format, args...)
	}
}

// number is 0 where it is missing.
func (q *query) number(key string) int {
	value := q.form.Get(key)
	if value == "" {
		return 0
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		q.fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid. Invalid integer.", value, key)
	}
	return n
}

func (q *query) flag(key string) bool {
	switch value := q.form.Get(key); value {
	case "", "false":
		return false
	case "true":
		return true
	default:
		q.fail("InvalidParameterValue", "Value (%s) for parameter %s is invalid. Invalid boolean.", value, key)
		return false
	}
}

// list is KEY.1, KEY.2 and so on.
func (q *query) list(key string) []string {
	var values []string
	for n := 1; q.form.Has(fmt.Sprintf("%s.%d", key, n)); n++ {
		values = append(values, q.form.Get(fmt.Sprintf("%s.%d", key, n)))
	}
	return values
}

// tags are PREFIX.Tag.1.Key and PREFIX.Tag.1.Value; prefix "" = Tag.1.Key.
func (q *query) tags(prefix string) map[string]string {
	tags := map[string]string{}
	for n := 1; ; n++ {
		at := fmt.Sprintf("%sTag.%d.", prefix, n)
		if !q.form.Has(at + "Key") {
			return tags
		}
		key, value := q.form.Get(at+"Key"), q.form.Get(at+"Value")
		switch _, twice := tags[key]; {
		case twice:
			q.fail("InvalidParameterValue", "Duplicate tag key '%s' specified.", key)
		case key == "" || len(key) > 128 || strings.HasPrefix(key, "aws:"):
			q.fail("InvalidParameterValue", "Tag keys must be 1 to 128 characters long and must not begin with 'aws:': '%s'", key)
		case len(value) > 256:
			q.fail("InvalidParameterValue", "Tag values must be at most 256 characters long: '%s'", value)
		case n > 50:
			q.fail("TagLimitExceeded", "More than 50 tags specified")
		}
		tags[key] = value
	}
}

// tagSpecifications for a kind of resource.
func (q *query) tagSpecifications(kind string) map[string]string {
	tags := map[string]string{}
	for n := 1; ; n++ {
		at := fmt.Sprintf("TagSpecification.%d.", n)
		if !q.form.Has(at + "ResourceType") {
			return tags
		}
		if q.form.Get(at+"ResourceType") != kind {
			q.fail("InvalidParameterValue", "'%s' is not a valid taggable resource type for this operation.", q.form.Get(at+"ResourceType"))
			return tags
		}
		for k, v := range q.tags(at) {
			tags[k] = v
		}
	}
}

// filter is Filter.N.Name with its values, any of which may match.
type filter struct {
	name   string
	values []string
}

func (q *query) filters(known func(name string) bool) []filter {
	var filters []filter
	for n := 1; ; n++ {
		at := fmt.Sprintf("Filter.%d.", n)
		if !q.form.Has(at + "Name") {
			return filters
		}
		f := filter{q.form.Get(at + "Name"), q.list(at + "Value")}
		switch {
		case !known(f.name):
			q.fail("InvalidParameterValue", "The filter '%s' is invalid", f.name)
		case len(f.values) == 0:
			q.fail("InvalidParameterValue", "The filter '%s' must have values", f.name)
		case len(f.values) > 200:
			q.fail("FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200")
		}
		filters = append(filters, f)
	}
}

// allMatch is true if each filter has a value that one of the thing's values matches.
func allMatch(filters []filter, of func(name string) []string) bool {
	for _, f := range filters {
		found := false
		for _, value := range of(f.name) {
			for _, pattern := range f.values {
				found = found || iam.Matches(pattern, value)
			}
		}
		if !found {
			return false
		}
	}
	return true
}

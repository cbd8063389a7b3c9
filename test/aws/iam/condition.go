package iam

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// operator of a condition, taken apart.
type operator struct {
	compare  func(wanted, value string) bool
	negative bool // no value may match
	null     bool // Null: whether the key is there
	ifExists bool
	set      string // ForAllValues, ForAnyValue or ""
}

func parseOperator(name string) (operator, error) {
	var op operator
	base := name
	if set, rest, ok := strings.Cut(base, ":"); ok {
		if set != "ForAllValues" && set != "ForAnyValue" {
			return op, fmt.Errorf("condition operator %q is unknown", name)
		}
		op.set, base = set, rest
	}
	base, op.ifExists = strings.CutSuffix(base, "IfExists")
	switch base {
	case "StringEquals", "StringNotEquals":
		op.compare = func(wanted, value string) bool { return wanted == value }
	case "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "Bool":
		op.compare = strings.EqualFold
	case "StringLike", "StringNotLike", "ArnLike", "ArnNotLike", "ArnEquals", "ArnNotEquals": // ARNs compare with wildcards in both forms
		op.compare = Matches
	case "NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals":
		op.compare = numeric(strings.TrimPrefix(base, "Numeric"))
	case "Null":
		op.null = true
	default:
		return op, fmt.Errorf("condition operator %q is unknown", name)
	}
	op.negative = strings.Contains(base, "Not")
	return op, nil
}

func numeric(kind string) func(wanted, value string) bool {
	return func(wanted, value string) bool {
		w, err := strconv.ParseFloat(wanted, 64)
		v, err2 := strconv.ParseFloat(value, 64)
		if err != nil || err2 != nil {
			return false
		}
		switch kind {
		case "LessThan":
			return v < w
		case "LessThanEquals":
			return v <= w
		case "GreaterThan":
			return v > w
		case "GreaterThanEquals":
			return v >= w
		default: // equal; NotEquals turns it round
			return v == w
		}
	}
}

// holds is whether a condition is true of a request.
func (c Condition) holds(r Request) bool {
	values, there := r.values(c.Key)
	op := c.Operator
	if op.null {
		return strings.EqualFold(c.Values[0], "true") != there
	}
	if !there {
		// A negative operator holds where there is nothing to compare; so does ForAllValues.
		return op.ifExists || op.negative && op.set != "ForAnyValue" || op.set == "ForAllValues"
	}
	for _, value := range values {
		ok := c.matches(r, value)
		switch op.set {
		case "ForAllValues":
			if !ok {
				return false
			}
		case "ForAnyValue":
			if ok {
				return true
			}
		default: // a key with one value
			return ok
		}
	}
	return op.set == "ForAllValues"
}

// matches is whether one value of the key is what one of the policy's values wants; for a negative operator none of them.
func (c Condition) matches(r Request, value string) bool {
	for _, wanted := range c.Values {
		text, ok := r.fill(wanted)
		if ok && c.Operator.compare(text, value) {
			return !c.Operator.negative
		}
	}
	return c.Operator.negative
}

var variable = regexp.MustCompile(`\$\{([^}]*)\}`)

// fill policy variables in: ${key} or ${key, 'default'}. One that has no value makes the text match nothing.
func (r Request) fill(text string) (filled string, ok bool) {
	ok = true
	filled = variable.ReplaceAllStringFunc(text, func(found string) string {
		key, otherwise, hasDefault := strings.Cut(found[2:len(found)-1], ",")
		if key == "*" || key == "?" || key == "$" {
			return key
		}
		if values, there := r.values(strings.TrimSpace(key)); there && len(values) == 1 {
			return values[0]
		}
		ok = ok && hasDefault
		return strings.Trim(strings.TrimSpace(otherwise), "'")
	})
	return filled, ok
}

// Matches a text against a pattern with * for any characters and ? for one.
func Matches(pattern, text string) bool {
	star, mark := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0: // let the last star take one more
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

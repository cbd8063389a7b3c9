package test

import (
	"regexp"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

type pattern struct{ *regexp.Regexp }

func (p pattern) String() string { return p.Regexp.String() }

// lenientPattern compiles the expressions of a schema written for another engine: "\/" is "/", and what Go's engine hasn't (look-ahead) matches anything.
func lenientPattern(expression string) (jsonschema.Regexp, error) {
	compiled, err := regexp.Compile(strings.ReplaceAll(expression, `\/`, `/`))
	if err != nil {
		compiled = regexp.MustCompile("")
	}
	return pattern{compiled}, nil
}

package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Policy is one JSON document.
type Policy struct {
	Statements []Statement
	document   []byte
}

// MarshalJSON gives the document as it was read.
func (p Policy) MarshalJSON() ([]byte, error) { return p.document, nil }

// UnmarshalJSON is Parse.
func (p *Policy) UnmarshalJSON(document []byte) (err error) {
	*p, err = Parse(document)
	return err
}

// Statement of a policy.
type Statement struct {
	Sid          string
	Deny         bool
	Actions      []string
	NotActions   []string
	Resources    []string
	NotResources []string
	Conditions   []Condition
}

// Condition compares a key's values; all conditions of a statement must hold.
type Condition struct {
	Operator operator
	Key      string
	Values   []string
}

// texts is one string or a list of them, as the policy language has it.
type texts []string

func (t *texts) UnmarshalJSON(data []byte) error {
	if !bytes.HasPrefix(data, []byte("[")) {
		data = slices.Concat([]byte("["), data, []byte("]"))
	}
	var values []any
	if err := json.Unmarshal(data, &values); err != nil {
		return err
	}
	for _, value := range values {
		*t = append(*t, fmt.Sprint(value)) // true and "true" are the same
	}
	return nil
}

type statementJSON struct {
	Sid, Effect                              string
	Action, NotAction, Resource, NotResource texts
	Condition                                map[string]map[string]texts
}

// statementsJSON is one statement or a list of them.
type statementsJSON []statementJSON

func (s *statementsJSON) UnmarshalJSON(data []byte) error {
	if !bytes.HasPrefix(data, []byte("[")) {
		data = slices.Concat([]byte("["), data, []byte("]"))
	}
	strict := json.NewDecoder(bytes.NewReader(data))
	strict.DisallowUnknownFields()
	return strict.Decode((*[]statementJSON)(s))
}

// Parse a policy document; one that AWS would refuse, or that this package doesn't know all of, is an error.
func Parse(document []byte) (Policy, error) {
	var raw struct {
		Version, ID string
		Statement   statementsJSON
	}
	strict := json.NewDecoder(bytes.NewReader(document))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&raw); err != nil {
		return Policy{}, fmt.Errorf("reading a policy: %w", err)
	}
	if raw.Version != "2012-10-17" {
		return Policy{}, fmt.Errorf("reading a policy: its version is %q: policy variables need 2012-10-17", raw.Version)
	}
	policy := Policy{document: slices.Clone(document)}
	for n, one := range raw.Statement {
		s, err := one.parse()
		if err != nil {
			return Policy{}, fmt.Errorf("reading statement %d (%s) of a policy: %w", n+1, one.Sid, err)
		}
		policy.Statements = append(policy.Statements, s)
	}
	if len(policy.Statements) == 0 {
		return Policy{}, fmt.Errorf("reading a policy: it has no statements")
	}
	return policy, nil
}

func (j statementJSON) parse() (Statement, error) {
	s := Statement{Sid: j.Sid, Deny: j.Effect == "Deny", Actions: j.Action, NotActions: j.NotAction, Resources: j.Resource, NotResources: j.NotResource}
	switch {
	case j.Effect != "Allow" && j.Effect != "Deny":
		return s, fmt.Errorf("effect %q is neither Allow nor Deny", j.Effect)
	case (len(j.Action) == 0) == (len(j.NotAction) == 0):
		return s, fmt.Errorf("it needs either Action or NotAction")
	case (len(j.Resource) == 0) == (len(j.NotResource) == 0):
		return s, fmt.Errorf("it needs either Resource or NotResource")
	}
	for name, keys := range j.Condition {
		op, err := parseOperator(name)
		if err != nil {
			return s, err
		}
		for key, values := range keys {
			if len(values) == 0 {
				return s, fmt.Errorf("condition %s on %s has no values", name, key)
			}
			s.Conditions = append(s.Conditions, Condition{op, key, values})
		}
	}
	return s, nil
}

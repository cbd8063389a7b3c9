package iam

import (
	"slices"
	"strings"
)

// Request is one permission that a call needs.
type Request struct {
	Action   string              // ec2:CreateVolume
	Resource string              // ARN, or * for actions without resources
	Keys     map[string][]string // condition keys; their names don't distinguish case
}

func (r Request) values(key string) ([]string, bool) {
	if values, ok := r.Keys[key]; ok {
		return values, true
	}
	for name, values := range r.Keys {
		if strings.EqualFold(name, key) {
			return values, true
		}
	}
	return nil, false
}

// Decision on a request.
type Decision struct {
	Allowed bool
	Denied  bool   // by a statement; else nothing allows it
	Sid     string // of the statement that decided, if one did
}

// Evaluate all policies of a principal.
func Evaluate(policies []Policy, r Request) Decision {
	var decision Decision
	for _, policy := range policies {
		for _, s := range policy.Statements {
			if !s.applies(r) {
				continue
			}
			if s.Deny {
				return Decision{Denied: true, Sid: s.Sid}
			}
			if !decision.Allowed {
				decision = Decision{Allowed: true, Sid: s.Sid}
			}
		}
	}
	return decision
}

func (s Statement) applies(r Request) bool {
	action := func(pattern string) bool { return Matches(strings.ToLower(pattern), strings.ToLower(r.Action)) }
	resource := func(pattern string) bool {
		filled, ok := r.fill(pattern)
		return ok && Matches(filled, r.Resource)
	}
	if len(s.Actions) > 0 && !slices.ContainsFunc(s.Actions, action) || slices.ContainsFunc(s.NotActions, action) {
		return false
	}
	if len(s.Resources) > 0 && !slices.ContainsFunc(s.Resources, resource) || slices.ContainsFunc(s.NotResources, resource) {
		return false
	}
	return !slices.ContainsFunc(s.Conditions, func(c Condition) bool { return !c.holds(r) })
}

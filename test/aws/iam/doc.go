// Package iam evaluates identity-based IAM policies as AWS does: a call is allowed if some statement allows it and none denies it. It knows what policies for EC2 use: actions and
// resources with wildcards, conditions on keys of the request, the resource and the principal, policy variables. What it doesn't know is an error when a policy is read, never a guess.
package iam

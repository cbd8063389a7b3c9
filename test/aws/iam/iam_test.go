package iam_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"scaleio-framework/test/aws/iam"
)

func policy(t *testing.T, statement string) iam.Policy {
	t.Helper()
	p, err := iam.Parse(fmt.Appendf(nil, `{"Version": "2012-10-17", "Statement": %s}`, statement))
	require.NoError(t, err)
	return p
}

func TestEvaluate(t *testing.T) {
	volume := "arn:aws:ec2:eu-central-1:123456789012:volume/vol-1"
	keys := map[string][]string{"ec2:ResourceTag/cluster": {"c1"}, "ec2:VolumeSize": {"100"}, "aws:TagKeys": {"cluster", "node"}, "aws:PrincipalTag/cluster": {"c1"}}
	for name, c := range map[string]struct {
		statement string
		want      bool
	}{
		"exact":                     {`{"Effect": "Allow", "Action": "ec2:AttachVolume", "Resource": "` + volume + `"}`, true},
		"a list":                    {`[{"Effect": "Allow", "Action": ["ec2:DeleteVolume", "ec2:AttachVolume"], "Resource": ["*"]}]`, true},
		"another action":            {`{"Effect": "Allow", "Action": "ec2:DeleteVolume", "Resource": "*"}`, false},
		"wildcard action, any case": {`{"Effect": "Allow", "Action": "EC2:attach*", "Resource": "*"}`, true},
		"resource with wildcards":   {`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:ec2:*:*:volume/*"}`, true},
		"another kind of resource":  {`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:ec2:*:*:instance/*"}`, false},
		"not action":                {`{"Effect": "Allow", "NotAction": "ec2:Delete*", "Resource": "*"}`, true},
		"not resource":              {`{"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:ec2:*:*:volume/*"}`, false},
		"deny wins":                 {`[{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "ec2:Attach*", "Resource": "*"}]`, false},
		"deny on condition not met": {`[{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringNotEquals": {"ec2:ResourceTag/cluster": "c1"}}}]`, true},
		"tag":                       {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"ec2:ResourceTag/cluster": "c1"}}}`, true},
		"key in another case":       {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"EC2:resourcetag/Cluster": "c1"}}}`, true},
		"another's tag":             {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"ec2:ResourceTag/cluster": "c2"}}}`, false},
		"one of several":            {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"ec2:ResourceTag/cluster": ["c2", "c1"]}}}`, true},
		"no such key":               {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"ec2:ResourceTag/other": "c1"}}}`, false},
		"if exists":                 {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEqualsIfExists": {"ec2:ResourceTag/other": "c1"}}}`, true},
		"negative without the key":  {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringNotEquals": {"ec2:ResourceTag/other": "c1"}}}`, true},
		"both must hold":            {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"ec2:ResourceTag/cluster": "c1"}, "NumericLessThanEquals": {"ec2:VolumeSize": "99"}}}`, false},
		"number":                    {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"NumericLessThanEquals": {"ec2:VolumeSize": 100}}}`, true},
		"null: must be missing":     {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Null": {"ec2:ResourceTag/cluster": true}}}`, false},
		"null: must be there":       {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Null": {"ec2:ResourceTag/cluster": "false"}}}`, true},
		"all values":                {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["cluster", "node", "order"]}}}`, true},
		"all values, one too many":  {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["cluster"]}}}`, false},
		"any value":                 {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"ForAnyValue:StringLike": {"aws:TagKeys": "n*"}}}`, true},
		"variable":                  {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"ec2:ResourceTag/cluster": "${aws:PrincipalTag/cluster}"}}}`, true},
		"variable without a value":  {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"ec2:ResourceTag/cluster": "${aws:PrincipalTag/other}"}}}`, false},
		"variable with a default":   {`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"ec2:ResourceTag/cluster": "${aws:PrincipalTag/other, 'c1'}"}}}`, true},
		"variable in the resource":  {`{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:ec2:*:*:volume/${aws:PrincipalTag/cluster}"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			got := iam.Evaluate([]iam.Policy{policy(t, c.statement)}, iam.Request{Action: "ec2:AttachVolume", Resource: volume, Keys: keys})
			assert.Equal(t, c.want, got.Allowed)
		})
	}
	assert.False(t, iam.Evaluate(nil, iam.Request{Action: "ec2:AttachVolume", Resource: volume}).Allowed, "nothing allows it")
}

func TestParse_refuses(t *testing.T) {
	for name, document := range map[string]string{
		"no version":        `{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}`,
		"no statement":      `{"Version": "2012-10-17"}`,
		"effect":            `{"Version": "2012-10-17", "Statement": {"Effect": "allow", "Action": "*", "Resource": "*"}}`,
		"no action":         `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Resource": "*"}}`,
		"no resource":       `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*"}}`,
		"unknown field":     `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}}`,
		"unknown operator":  `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringMatches": {"a": "b"}}}}`,
		"condition of none": `{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"a": []}}}}`,
	} {
		_, err := iam.Parse([]byte(document))
		assert.Error(t, err, name)
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"*", "", true}, {"*", "a/b", true}, {"a*c", "abbc", true}, {"a*c", "abcd", false}, {"a?c", "abc", true}, {"a?c", "ac", false},
		{"*b*b*", "abab", true}, {"*b*b*b", "abab", false}, {"vol-*", "vol-1", true}, {"a**", "a", true},
	} {
		assert.Equal(t, c.want, iam.Matches(c.pattern, c.text), "%s %s", c.pattern, c.text)
	}
}

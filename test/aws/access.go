package aws

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"scaleio-framework/test/aws/iam"
	"scaleio-framework/test/aws/sigv4"
)

// Policy of a role; see package iam.
type Policy = iam.Policy

// skewAllowed between the caller's clock and ours.
const skewAllowed = 15 * time.Minute

// authenticate finds out who calls.
func (c *Cloud) authenticate(r *http.Request, body []byte) (Credentials, error) {
	signature, err := sigv4.Of(r)
	if err != nil {
		return Credentials{}, fault400("MissingAuthenticationToken", "Request is missing Authentication Token: %v", err)
	}
	key, known := c.state.Keys[signature.AccessKey]
	now := time.Now().Add(c.skew)
	switch skew := now.Sub(signature.At); {
	case !known, key.Token != "" && r.Header.Get("X-Amz-Security-Token") != key.Token:
		return key, failed(http.StatusUnauthorized, "AuthFailure", "AWS was not able to validate the provided access credentials")
	case !c.config.SkipSignatures && !signature.Made(key.Secret, r, body):
		return key, failed(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	case signature.Region != c.config.Region || signature.Service != "ec2":
		return key, failed(http.StatusUnauthorized, "AuthFailure", "Credential should be scoped to region '%s' and service 'ec2'.", c.config.Region)
	case skew > skewAllowed || skew < -skewAllowed, !key.Expires.IsZero() && now.After(key.Expires):
		return key, fault400("RequestExpired", "Request has expired.")
	}
	return key, nil
}

// SetSkew moves the clock that signatures are held against, which answers tell: for callers, theirs is wrong by as much.
func (c *Cloud) SetSkew(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew = d
}

// permission that a call needs.
type permission struct {
	action   string
	resource string
	keys     map[string]string
}

func reading(action string) []permission { return []permission{{action: action, resource: "*"}} }

func condition(key, value string) map[string]string { return map[string]string{key: value} }

// merge makes a new map; later ones win.
func merge(all ...map[string]string) map[string]string {
	merged := map[string]string{}
	for _, one := range all {
		maps.Copy(merged, one)
	}
	return merged
}

// tagKeys is where requestTags puts the list of keys; it becomes a key with many values.
const tagKeys = "aws:TagKeys"

func requestTags(tags map[string]string) map[string]string {
	keys := condition(tagKeys, strings.Join(sortedIDs(tags), "\n"))
	for key, value := range tags {
		keys["aws:RequestTag/"+key] = value
	}
	return keys
}

func resourceTags(tags map[string]string) map[string]string {
	keys := map[string]string{}
	for key, value := range tags {
		keys["ec2:ResourceTag/"+key], keys["aws:ResourceTag/"+key] = value, value
	}
	return keys
}

func (c *Cloud) arn(kind, id string) string {
	return fmt.Sprintf("arn:aws:ec2:%s:%s:%s/%s", c.config.Region, c.config.Account, kind, id)
}

func shape(v *Volume) map[string]string {
	return map[string]string{
		"ec2:AvailabilityZone": v.Zone, "ec2:VolumeType": v.Type, "ec2:VolumeSize": strconv.Itoa(v.SizeGiB), "ec2:VolumeIops": strconv.Itoa(v.IOPS),
		"ec2:VolumeThroughput": strconv.Itoa(v.ThroughputMiBs), "ec2:Encrypted": strconv.FormatBool(v.Encrypted), "ec2:KmsKeyId": v.KMSKey,
	}
}

func (c *Cloud) creationKeys(v *Volume) map[string]string {
	return merge(shape(v), requestTags(v.Tags))
}

func (c *Cloud) volumeKeys(v *Volume) map[string]string {
	return merge(shape(v), resourceTags(v.Tags), condition("ec2:VolumeID", v.ID))
}

func (c *Cloud) instanceKeys(i *Instance) map[string]string {
	return merge(resourceTags(i.Tags), map[string]string{
		"ec2:InstanceID": i.ID, "ec2:InstanceType": i.Type, "ec2:AvailabilityZone": i.Zone, "ec2:RootDeviceType": "ebs", "ec2:Tenancy": "default",
		"ec2:InstanceProfile": fmt.Sprintf("arn:aws:iam::%s:instance-profile/%s", c.config.Account, i.Role),
	})
}

// authorize asks the principal's policies for every permission.
func (c *Cloud) authorize(r *request, needs []permission) error {
	policies, limited := c.state.Policies[r.who.Role]
	if !limited {
		return nil
	}
	for _, need := range needs {
		keys := c.principalKeys(r.who)
		for key, value := range need.keys {
			keys[key] = []string{value}
			if key == tagKeys {
				keys[key] = strings.Split(value, "\n")
			}
		}
		verdict := iam.Evaluate(policies, iam.Request{Action: "ec2:" + need.action, Resource: need.resource, Keys: keys})
		if verdict.Allowed {
			continue
		}
		why := fmt.Sprintf("because no identity-based policy allows the ec2:%s action", need.action)
		if verdict.Denied {
			why = "with an explicit deny in an identity-based policy"
		}
		return failed(http.StatusForbidden, "UnauthorizedOperation", "You are not authorized to perform this operation. User: %s is not authorized to perform: ec2:%s on resource: %s %s.",
			keys["aws:PrincipalArn"][0], need.action, need.resource, why)
	}
	return nil
}

func (c *Cloud) principalKeys(who Credentials) map[string][]string {
	keys := map[string][]string{
		"aws:PrincipalAccount": {c.config.Account}, "aws:RequestedRegion": {c.config.Region}, "ec2:Region": {c.config.Region}, "aws:SecureTransport": {"true"},
		"aws:PrincipalArn": {fmt.Sprintf("arn:aws:iam::%s:user/%s", c.config.Account, who.Role)}, "aws:PrincipalType": {"User"},
	}
	if who.Instance != "" {
		keys["aws:PrincipalType"] = []string{"AssumedRole"}
		keys["aws:PrincipalArn"] = []string{fmt.Sprintf("arn:aws:iam::%s:role/%s", c.config.Account, who.Role)}
		keys["aws:userid"] = []string{"AROA" + who.Role + ":" + who.Instance}
		keys["ec2:SourceInstanceARN"] = []string{c.arn("instance", who.Instance)}
		keys["aws:Ec2InstanceSourceVpc"] = []string{"vpc-0123456789abcdef0"}
	}
	return keys
}

// SetPolicies of a role, from now on.
func (c *Cloud) SetPolicies(role string, policies ...Policy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Policies[role] = policies
	c.saved()
}

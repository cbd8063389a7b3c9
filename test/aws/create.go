package aws

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// volumeType is what EC2 allows of one.
type volumeType struct {
	minGiB, maxGiB               int
	minIOPS, maxIOPS, iopsPerGiB int // 0 = IOPS can't be chosen
	minMiBs, maxMiBs             int
	iops, throughput             int // where nothing is asked for
}

var volumeTypes = map[string]volumeType{
	"gp3":      {minGiB: 1, maxGiB: 65536, minIOPS: 3000, maxIOPS: 80000, iopsPerGiB: 500, minMiBs: 125, maxMiBs: 2000, iops: 3000, throughput: 125},
	"gp2":      {minGiB: 1, maxGiB: 16384},
	"io1":      {minGiB: 4, maxGiB: 16384, minIOPS: 100, maxIOPS: 64000, iopsPerGiB: 50},
	"io2":      {minGiB: 4, maxGiB: 65536, minIOPS: 100, maxIOPS: 256000, iopsPerGiB: 1000},
	"st1":      {minGiB: 125, maxGiB: 16384},
	"sc1":      {minGiB: 125, maxGiB: 16384},
	"standard": {minGiB: 1, maxGiB: 1024},
}

// tokenLife is how long a client token is remembered, at least.
const tokenLife = 24 * time.Hour

func (c *Cloud) createVolume(r *request) plan {
	v := &Volume{
		Zone: r.text("AvailabilityZone"), Type: defaulted(r.text("VolumeType"), "gp2"), SizeGiB: r.number("Size"),
		IOPS: r.number("Iops"), ThroughputMiBs: r.number("Throughput"), Encrypted: r.flag("Encrypted"), KMSKey: r.text("KmsKeyId"),
		Tags: r.tagSpecifications("volume"),
	}
	name := r.text("ClientToken")
	c.checkNew(r, v, name)
	asked := digest(r)
	needs := []permission{{action: "CreateVolume", resource: c.arn("volume", "*"), keys: c.creationKeys(v)}}
	if len(v.Tags) > 0 {
		needs = append(needs, permission{action: "CreateTags", resource: c.arn("volume", "*"), keys: merge(requestTags(v.Tags), condition("ec2:CreateAction", "CreateVolume"))})
	}
	return plan{needs: needs, do: func() (any, error) {
		if there, err := c.remembered(name, asked); there != nil || err != nil {
			return there, err
		}
		if err := c.room(v); err != nil {
			return nil, err
		}
		now := time.Now()
		v.ID, v.Created, v.State, v.Settles = c.id("vol"), now, Creating, now.Add(c.config.Takes.Create)
		v.Doomed = v.Encrypted && slices.Contains(c.config.BadKMSKeys, v.KMSKey)
		c.state.Volumes[v.ID] = v
		if name != "" {
			c.state.Tokens[name] = token{Volume: v.ID, Asked: asked, Created: now}
		}
		c.changed(v.ID)
		return volumeOf(v), nil
	}}
}

// checkNew says what EC2 would not make.
func (c *Cloud) checkNew(r *request, v *Volume, name string) {
	if v.Zone == "" {
		r.fail("MissingParameter", "The request must contain the parameter AvailabilityZone or AvailabilityZoneId")
	} else if len(v.Zone) != len(c.config.Region)+1 || v.Zone[:len(c.config.Region)] != c.config.Region {
		r.fail("InvalidZone.NotFound", "The zone '%s' does not exist.", v.Zone)
	}
	if len(name) > 64 {
		r.fail("InvalidParameterValue", "Value (%s) for parameter clientToken is invalid. Invalid client token: longer than 64 characters.", name)
	}
	if v.KMSKey != "" && !v.Encrypted {
		r.fail("InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.")
	}
	if r.text("SnapshotId") != "" {
		r.fail("InvalidSnapshot.NotFound", "The snapshot '%s' does not exist.", r.text("SnapshotId"))
	}
	kind, ok := volumeTypes[v.Type]
	switch {
	case !ok:
		r.fail("UnknownVolumeType", "Unknown volume type '%s'", v.Type)
	case v.SizeGiB == 0:
		r.fail("MissingParameter", "The request must contain the parameter size/snapshot")
	case v.SizeGiB < kind.minGiB:
		r.fail("InvalidParameterValue", "Volume of %dGiB is too small for volume type %s; minimum is %dGiB.", v.SizeGiB, v.Type, kind.minGiB)
	case v.SizeGiB > kind.maxGiB:
		r.fail("InvalidParameterValue", "Volume of %dGiB is too large for volume type %s; maximum is %dGiB.", v.SizeGiB, v.Type, kind.maxGiB)
	default:
		c.checkPerformance(r, v, kind)
	}
}

func (c *Cloud) checkPerformance(r *request, v *Volume, kind volumeType) {
	switch {
	case v.IOPS == 0 && kind.minIOPS > 0 && kind.iops == 0:
		r.fail("InvalidParameterCombination", "The parameter iops must be specified for %s volumes.", v.Type)
	case v.IOPS != 0 && kind.maxIOPS == 0:
		r.fail("InvalidParameterCombination", "The parameter iops is not supported for %s volumes.", v.Type)
	case v.IOPS != 0 && (v.IOPS < kind.minIOPS || v.IOPS > kind.maxIOPS):
		r.fail("InvalidParameterValue", "Volume iops of %d is out of range for volume type %s: %d to %d.", v.IOPS, v.Type, kind.minIOPS, kind.maxIOPS)
	case v.IOPS > kind.iops && v.IOPS > kind.iopsPerGiB*v.SizeGiB:
		r.fail("InvalidParameterValue", "Iops to volume size ratio of %.6f is too high; maximum is %d", float64(v.IOPS)/float64(v.SizeGiB), kind.iopsPerGiB)
	case v.ThroughputMiBs != 0 && kind.maxMiBs == 0:
		r.fail("InvalidParameterCombination", "The parameter throughput is not supported for %s volumes.", v.Type)
	case v.ThroughputMiBs != 0 && (v.ThroughputMiBs < kind.minMiBs || v.ThroughputMiBs > kind.maxMiBs):
		r.fail("InvalidParameterValue", "Throughput of %d is out of range for volume type %s: %d to %d.", v.ThroughputMiBs, v.Type, kind.minMiBs, kind.maxMiBs)
	}
	if v.IOPS == 0 {
		v.IOPS = kind.iops
	}
	if v.ThroughputMiBs == 0 {
		v.ThroughputMiBs = kind.throughput
	}
}

// digest of everything that was asked for: the same token with anything else is a mismatch.
func digest(r *request) string {
	sum := sha256.New()
	for _, key := range sortedIDs(r.form) {
		if key != "DryRun" {
			_, _ = fmt.Fprintf(sum, "%s=%q\n", key, r.form[key])
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// remembered is the volume that this token made before, as it is now.
func (c *Cloud) remembered(name, asked string) (any, error) {
	before, ok := c.state.Tokens[name]
	if !ok || name == "" || time.Since(before.Created) > tokenLife {
		return nil, nil
	}
	if before.Asked != asked {
		return nil, fault400("IdempotentParameterMismatch", "The client token you have provided is associated with a different set of parameters. Please use a different client token for the request.")
	}
	v := c.state.Volumes[before.Volume]
	if v == nil || v.State == Deleting {
		return nil, fault400("IdempotentParameterMismatch", "The client token you have provided is associated with a resource that is already deleted. Please use a different client token for the request.")
	}
	if c.config.Quota.ForgetsTokens {
		if err := c.room(v); err != nil {
			return nil, err
		}
	}
	return volumeOf(v), nil
}

package aws

import (
	"net/http"
	"time"
)

// Quota of the account in this region; 0 = none.
type Quota struct {
	Volumes int // how many
	GiB     int // of all types together
	IOPS    int // that were chosen, all volumes together
	// ZoneGiB is what each zone has left for new volumes; a zone that isn't here has enough.
	ZoneGiB map[string]int
	// ForgetsTokens looks at the quota before the client token: a retry of what succeeded is refused as over the limit. EC2 does this.
	ForgetsTokens bool
}

// SetQuota changes it, as support does on request.
func (c *Cloud) SetQuota(q Quota) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.config.Quota = q
}

// room says why there is none for another volume.
func (c *Cloud) room(v *Volume) error {
	q := c.config.Quota
	count, size, iops, inZone := 1, v.SizeGiB, v.IOPS, v.SizeGiB
	for _, other := range c.state.Volumes {
		if other.Attachment != nil && other.Attachment.Device == rootDevice {
			continue // a test counts what it makes
		}
		count, size, iops = count+1, size+other.SizeGiB, iops+other.IOPS
		if other.Zone == v.Zone {
			inZone += other.SizeGiB
		}
	}
	switch limit, limited := q.ZoneGiB[v.Zone]; {
	case q.Volumes > 0 && count > q.Volumes, q.GiB > 0 && size > q.GiB:
		return fault400("VolumeLimitExceeded", "You have exceeded your maximum %s storage limit in this region.", v.Type)
	case q.IOPS > 0 && iops > q.IOPS:
		return fault400("MaxIOPSLimitExceeded", "You have exceeded your maximum IOPS limit for volume type %s in this region.", v.Type)
	case limited && inZone > limit:
		return failed(http.StatusInternalServerError, "InsufficientVolumeCapacity", "There is not enough capacity to fulfill your request in %s. Try a different zone or volume type.", v.Zone)
	}
	return nil
}

// Rate of calls: a token bucket.
type Rate struct {
	Burst     int
	PerSecond float64
}

type bucket struct {
	left float64
	at   time.Time
}

// SetThrottle changes Config.Throttle; nil = none.
func (c *Cloud) SetThrottle(rates map[string]Rate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.config.Throttle = rates
	clear(c.throttles)
}

func (c *Cloud) throttle(action string) error {
	name := action
	rate, ok := c.config.Throttle[name]
	if !ok {
		name = "*"
		if rate, ok = c.config.Throttle[name]; !ok {
			return nil
		}
	}
	now := time.Now()
	b := c.throttles[name]
	if b == nil {
		b = &bucket{left: float64(rate.Burst), at: now}
		c.throttles[name] = b
	}
	b.left = min(float64(rate.Burst), b.left+now.Sub(b.at).Seconds()*rate.PerSecond)
	b.at = now
	if b.left < 1 {
		return failed(http.StatusServiceUnavailable, "RequestLimitExceeded", "Request limit exceeded.")
	}
	b.left--
	return nil
}

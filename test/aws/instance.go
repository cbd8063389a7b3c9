package aws

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// InstanceSpec is what is asked for; everything has a default.
type InstanceSpec struct {
	ID      string // default: a new one
	Type    string // of InstanceTypes; default m5.large
	Zone    string // default: the region's a
	Role    string // of its instance profile; default "node". Config.Policies has what it may do.
	Tags    map[string]string
	Address string // private; the metadata service knows callers by it
	Machine string // what the Backend knows it by

	// TakenNames are device names that its image maps and that EC2 doesn't report.
	TakenNames []string
}

// Instance of EC2.
type Instance struct {
	InstanceSpec
	State      string    `json:"state"` // running, stopped, terminated
	Launched   time.Time `json:"launched"`
	RootVolume string    `json:"rootVolume"`
}

// rootDevice is the name of every instance's root volume.
const rootDevice = "/dev/xvda"

// AddInstance launches an instance with a root volume.
func (c *Cloud) AddInstance(spec InstanceSpec) Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	if spec.ID == "" {
		spec.ID = c.id("i")
	}
	if there := c.state.Instances[spec.ID]; there != nil {
		return *there
	}
	spec.Type = defaulted(spec.Type, "m5.large")
	spec.Zone = defaulted(spec.Zone, c.config.Region+"a")
	spec.Role = defaulted(spec.Role, "node")
	now := time.Now()
	root := &Volume{ID: c.id("vol"), Zone: spec.Zone, Type: "gp3", SizeGiB: 8, IOPS: 3000, ThroughputMiBs: 125, Created: now, State: InUse,
		Attachment: &Attachment{Instance: spec.ID, Device: rootDevice, State: Attached, Since: now, DeleteOnTermination: true}}
	i := &Instance{InstanceSpec: spec, State: "running", Launched: now, RootVolume: root.ID}
	c.state.Volumes[root.ID], c.state.Instances[i.ID] = root, i
	c.changed(root.ID)
	c.saved()
	return *i
}

// TagInstance sets tags, as a person does in the console.
func (c *Cloud) TagInstance(id string, tags map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := c.state.Instances[id]; i != nil {
		i.Tags = merge(i.Tags, tags)
		c.saved()
	}
}

// saved is save for what a test does, which has no answer to fail.
func (c *Cloud) saved() {
	if err := c.save(); err != nil {
		c.log.Error("the cloud's state is not on disk", "err", err)
	}
}

// Instances that were ever launched, by id.
func (c *Cloud) Instances() []Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []Instance
	for _, id := range slices.Sorted(maps.Keys(c.state.Instances)) {
		all = append(all, *c.state.Instances[id])
	}
	return all
}

// Instance finds one.
func (c *Cloud) Instance(id string) (Instance, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.state.Instances[id]
	if i == nil {
		return Instance{}, false
	}
	return *i, true
}

// SetInstanceState makes it running or stopped; "terminated" also lets go of its volumes, as EC2 does.
func (c *Cloud) SetInstanceState(id, to string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.state.Instances[id]
	if i == nil || i.State == "terminated" {
		return
	}
	i.State = to
	if to == "terminated" {
		for _, v := range c.state.Volumes {
			if !v.attachedTo(id) {
				continue
			}
			if v.Attachment.Plugged {
				c.takeAway(v, i)
			}
			if v.Attachment.DeleteOnTermination {
				v.State, v.Settles = Deleting, time.Now().Add(c.config.Takes.Delete)
			} else {
				v.State = Available
			}
			v.Attachment = nil
			c.changed(v.ID)
		}
	}
	c.settle()
	c.saved()
}

// takeAway a disk from a machine that is no more: whoever has it open, has no say.
func (c *Cloud) takeAway(v *Volume, i *Instance) {
	if err := c.backend(func(ctx context.Context, b Backend) error { return b.Unplug(ctx, *i, *v.clone()) }); err != nil {
		c.log.Warn("a terminated instance's machine still has the volume", "volume", v.ID, "instance", i.ID, "err", err)
	}
}

// Credentials are a key pair, and who has it.
type Credentials struct {
	AccessKey string    `json:"accessKey"`
	Secret    string    `json:"secret"`
	Token     string    `json:"token,omitempty"`
	Expires   time.Time `json:"expires,omitzero"`
	Role      string    `json:"role"`               // Config.Policies
	Instance  string    `json:"instance,omitempty"` // that the role was given to; else a user has them
}

// Credentials of the instance's role, as its metadata service gives them. They are new ones if the last have less than half their life left.
func (c *Cloud) Credentials(instance string) (Credentials, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.state.Instances[instance]
	if i == nil {
		return Credentials{}, fmt.Errorf("making credentials: there is no instance %q", instance)
	}
	now := time.Now()
	var best Credentials
	for _, k := range c.state.Keys {
		if k.Instance == instance && k.Expires.After(best.Expires) {
			best = k
		}
	}
	if best.Expires.Sub(now) < c.config.KeyLife/2 {
		best = Credentials{AccessKey: "ASIA" + secret(16), Secret: secret(40), Token: secret(64), Expires: now.Add(c.config.KeyLife), Role: i.Role, Instance: instance}
		c.state.Keys[best.AccessKey] = best
		c.saved()
	}
	return best, nil
}

// RevokeCredentials makes all keys of an instance worthless, as if its role were another one now; it gets new ones when it asks.
func (c *Cloud) RevokeCredentials(instance string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.state.Keys, func(_ string, k Credentials) bool { return k.Instance == instance })
	c.saved()
}

// AddUser gives a person static keys for what a role may do.
func (c *Cloud) AddUser(role string) Credentials {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := Credentials{AccessKey: "AKIA" + secret(16), Secret: secret(40), Role: role}
	c.state.Keys[k.AccessKey] = k
	c.saved()
	return k
}

// secret has n letters.
func secret(n int) string {
	raw := make([]byte, n)
	_, _ = rand.Read(raw)
	return strings.TrimRight(base32.StdEncoding.EncodeToString(raw), "=")[:n]
}

package aws

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// deviceName is what EC2 takes for HVM instances, with or without /dev/.
var deviceName = regexp.MustCompile(`^(/dev/)?(sd[a-z][0-9]{0,2}|xvd[a-d][a-x]|xvd[b-z])$`)

// volumeAndInstance that a call is about, looked up.
func (c *Cloud) volumeAndInstance(r *request) (*Volume, *Instance) {
	id := r.need("VolumeId")
	if id != "" && !volumeID.MatchString(id) {
		r.fail("InvalidVolumeID.Malformed", "Invalid id: \"%s\" (expecting \"vol-...\")", id)
	}
	v := c.state.Volumes[id]
	if v == nil {
		r.fail("InvalidVolume.NotFound", "The volume '%s' does not exist.", id)
		v = &Volume{}
	}
	name := r.text("InstanceId")
	if r.action == "AttachVolume" {
		name = r.need("InstanceId")
	}
	if name == "" && v.Attachment != nil {
		name = v.Attachment.Instance
	}
	i := c.state.Instances[name]
	if i == nil && name != "" {
		r.fail("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", name)
	}
	if i == nil {
		i = &Instance{}
	}
	return v, i
}

func (c *Cloud) attachVolume(r *request) plan {
	v, i := c.volumeAndInstance(r)
	device := r.need("Device")
	if device != "" && !deviceName.MatchString(device) {
		r.fail("InvalidParameterValue", "Value (%s) for parameter device is invalid. %s is not a valid EBS device name.", device, device)
	}
	needs := []permission{
		{action: r.action, resource: c.arn("volume", v.ID), keys: c.volumeKeys(v)},
		{action: r.action, resource: c.arn("instance", i.ID), keys: c.instanceKeys(i)},
	}
	return plan{needs: needs, do: func() (any, error) {
		if err := c.attachable(v, i, device); err != nil {
			return nil, err
		}
		now := time.Now()
		v.State = InUse
		v.Attachment = &Attachment{Instance: i.ID, Device: device, State: Attaching, Since: now, Settles: now.Add(c.config.Takes.Attach)}
		if over := c.overLimit(i); over && !c.types()[i.Type].Refuses {
			v.Attachment.Settles = time.Time{} // it hangs for ever
		}
		if c.stuck(r.action, i.ID) {
			v.Attachment.Settles = time.Time{}
		}
		c.changed(v.ID)
		return attachmentOf(v), nil
	}}
}

// attachable says why not.
func (c *Cloud) attachable(v *Volume, i *Instance, device string) error {
	switch {
	case v.Attachment != nil:
		return fault400("VolumeInUse", "%s is already attached to an instance", v.ID)
	case v.State != Available:
		return fault400("IncorrectState", "%s is not 'available'.", v.ID)
	case i.State != "running" && i.State != "stopped":
		return fault400("IncorrectState", "Instance '%s' is not 'running'.", i.ID)
	case v.Zone != i.Zone:
		return fault400("InvalidVolume.ZoneMismatch", "The volume '%s' is not in the same availability zone as instance '%s'", v.ID, i.ID)
	}
	plain := func(name string) string { return strings.TrimPrefix(name, "/dev/") }
	taken := slices.ContainsFunc(i.TakenNames, func(name string) bool { return plain(name) == plain(device) })
	attached := 0
	for _, other := range c.state.Volumes {
		if other.attachedTo(i.ID) {
			attached++
			taken = taken || plain(other.Attachment.Device) == plain(device)
		}
	}
	if taken {
		return fault400("InvalidParameterValue", "Invalid value '%s' for unixDevice. Attachment point %s is already in use", device, device)
	}
	kind := c.types()[i.Type]
	if most := kind.most(); attached >= most && kind.Refuses {
		return fault400("AttachmentLimitExceeded", "You may attach up to %d devices for this instance type. Please use a larger instance size to attach more volumes.", most)
	}
	return nil
}

// overLimit counts a volume that is being attached, too.
func (c *Cloud) overLimit(i *Instance) bool {
	attached := 0
	for _, v := range c.state.Volumes {
		if v.attachedTo(i.ID) {
			attached++
		}
	}
	return attached > c.types()[i.Type].most()
}

func (c *Cloud) detachVolume(r *request) plan {
	v, i := c.volumeAndInstance(r)
	needs := []permission{{action: r.action, resource: c.arn("volume", v.ID), keys: c.volumeKeys(v)}}
	if i.ID != "" {
		needs = append(needs, permission{action: r.action, resource: c.arn("instance", i.ID), keys: c.instanceKeys(i)})
	}
	return plan{needs: needs, do: func() (any, error) {
		switch a := v.Attachment; {
		case a == nil:
			return nil, fault400("IncorrectState", "Volume '%s' is in the '%s' state.", v.ID, v.State)
		case i.ID != a.Instance, r.text("Device") != "" && r.text("Device") != a.Device:
			return nil, fault400("InvalidAttachment.NotFound", "Volume %s is not attached to instance %s.", v.ID, i.ID)
		case i.RootVolume == v.ID && i.State == "running":
			return nil, fault400("OperationNotPermitted", "Unable to detach root volume '%s' from instance '%s'", v.ID, i.ID)
		case a.State == Detaching || a.State == Busy:
			return attachmentOf(v), nil
		default:
			a.State, a.Settles, a.Appears = Detaching, time.Now().Add(c.config.Takes.Detach), time.Time{}
			if c.stuck(r.action, i.ID) {
				a.Settles = time.Time{}
			}
			c.changed(v.ID)
			return attachmentOf(v), nil
		}
	}}
}

func (c *Cloud) deleteVolume(r *request) plan {
	v, _ := c.volumeAndInstance(r)
	return plan{needs: []permission{{action: r.action, resource: c.arn("volume", v.ID), keys: c.volumeKeys(v)}}, do: func() (any, error) {
		switch {
		case v.Attachment != nil:
			return nil, fault400("VolumeInUse", "Volume %s is currently attached to %s", v.ID, v.Attachment.Instance)
		case v.State == Deleting:
			return nil, noVolume(v.ID)
		case v.State == Creating:
			return nil, fault400("IncorrectState", "The volume '%s' is in state '%s' and can't be deleted.", v.ID, v.State)
		}
		v.State, v.Settles = Deleting, time.Now().Add(c.config.Takes.Delete)
		c.changed(v.ID)
		return done{}, nil
	}}
}

func (c *Cloud) createTags(r *request) plan {
	tags, ids := r.tags(""), r.list("ResourceId")
	var needs []permission
	for _, id := range ids {
		switch v, i := c.state.Volumes[id], c.state.Instances[id]; {
		case v != nil:
			needs = append(needs, permission{action: r.action, resource: c.arn("volume", id), keys: merge(c.volumeKeys(v), requestTags(tags))})
		case i != nil:
			needs = append(needs, permission{action: r.action, resource: c.arn("instance", id), keys: merge(c.instanceKeys(i), requestTags(tags))})
		case strings.HasPrefix(id, "i-"):
			r.fail("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
		default:
			r.fail("InvalidVolume.NotFound", "The volume '%s' does not exist.", id)
		}
	}
	if len(ids) == 0 || len(tags) == 0 {
		r.fail("MissingParameter", "The request must contain the parameters ResourceId and Tag")
	}
	return plan{needs: needs, do: func() (any, error) {
		for _, id := range ids {
			if v := c.state.Volumes[id]; v != nil {
				v.Tags = merge(v.Tags, tags)
				c.changed(id)
			} else {
				i := c.state.Instances[id]
				i.Tags = merge(i.Tags, tags)
			}
		}
		return done{}, nil
	}}
}

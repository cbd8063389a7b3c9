package aws

import (
	"fmt"
	"slices"
	"strings"
)

// InstanceType is what there is to know of one for attaching volumes.
type InstanceType struct {
	Nitro     bool
	Slots     int  // MaximumEbsAttachments
	Shared    bool // network interfaces and instance store take slots, too
	Refuses   bool // too many are refused; else they hang as attaching
	Instances int  // instance-store disks
}

// InstanceTypes that every cloud has.
var InstanceTypes = map[string]InstanceType{
	"m5.large":     {Nitro: true, Slots: 27, Shared: true, Refuses: true},
	"m5d.large":    {Nitro: true, Slots: 27, Shared: true, Refuses: true, Instances: 1},
	"t3.small":     {Nitro: true, Slots: 27, Shared: true, Refuses: true},
	"m7i.large":    {Nitro: true, Slots: 32, Refuses: true},
	"m7i.48xlarge": {Nitro: true, Slots: 128, Refuses: true},
	"m4.large":     {Slots: 39},
	"i3.large":     {Slots: 39, Instances: 1},
}

func (c *Cloud) types() map[string]InstanceType { return InstanceTypes }

// most volumes that an instance takes, its root included. Each has one network interface, which what EC2 says has room for already.
func (t InstanceType) most() int {
	if t.Shared {
		return t.Slots - t.Instances
	}
	return t.Slots
}

type instanceXML struct {
	ID        string              `xml:"instanceId"`
	Image     string              `xml:"imageId"`
	State     stateXML            `xml:"instanceState"`
	Type      string              `xml:"instanceType"`
	Launched  string              `xml:"launchTime"`
	Placement placementXML        `xml:"placement"`
	Address   string              `xml:"privateIpAddress,omitempty"`
	RootName  string              `xml:"rootDeviceName"`
	RootType  string              `xml:"rootDeviceType"`
	Mappings  items[mappingXML]   `xml:"blockDeviceMapping"`
	Tags      items[tagXML]       `xml:"tagSet"`
	Networks  items[interfaceXML] `xml:"networkInterfaceSet"`
	EBSOpt    bool                `xml:"ebsOptimized"`
	Hyper     string              `xml:"hypervisor"`
}

type stateXML struct {
	Code int    `xml:"code"`
	Name string `xml:"name"`
}

type placementXML struct {
	Zone    string `xml:"availabilityZone"`
	Tenancy string `xml:"tenancy"`
}

type mappingXML struct {
	Device string       `xml:"deviceName"`
	EBS    mappedVolXML `xml:"ebs"`
}

type mappedVolXML struct {
	VolumeID            string `xml:"volumeId"`
	Status              string `xml:"status"`
	AttachTime          string `xml:"attachTime"`
	DeleteOnTermination bool   `xml:"deleteOnTermination"`
}

type interfaceXML struct {
	ID     string `xml:"networkInterfaceId"`
	Status string `xml:"status"`
}

type reservationXML struct {
	ID        string             `xml:"reservationId"`
	Owner     string             `xml:"ownerId"`
	Instances items[instanceXML] `xml:"instancesSet"`
}

var stateCodes = map[string]int{"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}

func (c *Cloud) instanceOf(i *Instance, volumes map[string]*Volume) instanceXML {
	x := instanceXML{ID: i.ID, Image: "ami-0123456789abcdef0", State: stateXML{stateCodes[i.State], i.State}, Type: i.Type, Launched: stamp(i.Launched),
		Placement: placementXML{i.Zone, "default"}, Address: i.Address, RootName: rootDevice, RootType: "ebs", Tags: tagList(i.Tags), EBSOpt: true, Hyper: "xen"}
	x.Networks.Item = []interfaceXML{{"eni-" + strings.TrimPrefix(i.ID, "i-"), "in-use"}}
	for _, id := range sortedIDs(volumes) {
		v := volumes[id]
		if v.attachedTo(i.ID) {
			a := v.Attachment
			status := a.State
			if status == Busy {
				status = Detaching
			}
			x.Mappings.Item = append(x.Mappings.Item, mappingXML{a.Device, mappedVolXML{id, string(status), stamp(a.Since), a.DeleteOnTermination}})
		}
	}
	return x
}

func (i *Instance) values(filter string) []string {
	if key, ok := strings.CutPrefix(filter, "tag:"); ok {
		if value, ok := i.Tags[key]; ok {
			return []string{value}
		}
		return nil
	}
	return []string{map[string]string{"instance-id": i.ID, "instance-type": i.Type, "availability-zone": i.Zone, "instance-state-name": i.State, "private-ip-address": i.Address}[filter]}
}

func instanceFilter(name string) bool {
	return strings.HasPrefix(name, "tag:") || slices.Contains([]string{"instance-id", "instance-type", "availability-zone", "instance-state-name", "private-ip-address"}, name)
}

func (c *Cloud) describeInstances(r *request) plan {
	filters, ids, window := r.filters(instanceFilter), r.list("InstanceId"), c.window(r, 5, 1000)
	for _, id := range ids {
		if c.state.Instances[id] == nil {
			r.fail("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", id)
		}
	}
	return plan{needs: reading("DescribeInstances"), do: func() (any, error) {
		volumes := c.seen(max(c.config.Reads.InstancesLag, c.lag()))
		names, next := window.cut(sortedIDs(c.state.Instances), func(id string) bool {
			return (len(ids) == 0 || slices.Contains(ids, id)) && allMatch(filters, c.state.Instances[id].values)
		}, c.config.Reads.Sparse)
		found := page[reservationXML]{list: "reservationSet", next: next}
		for _, id := range names {
			found.of = append(found.of, reservationXML{ID: "r-" + strings.TrimPrefix(id, "i-"), Owner: c.config.Account,
				Instances: items[instanceXML]{[]instanceXML{c.instanceOf(c.state.Instances[id], volumes)}}})
		}
		return found, nil
	}}
}

type typeXML struct {
	Name       string      `xml:"instanceType"`
	Hypervisor string      `xml:"hypervisor"`
	BareMetal  bool        `xml:"bareMetal"`
	EBS        ebsInfoXML  `xml:"ebsInfo"`
	Network    networkXML  `xml:"networkInfo"`
	HasStore   bool        `xml:"instanceStorageSupported"`
	Store      *storageXML `xml:"instanceStorageInfo,omitempty"`
}

type ebsInfoXML struct {
	Optimized string `xml:"ebsOptimizedSupport"`
	NVMe      string `xml:"nvmeSupport"`
	Most      int    `xml:"maximumEbsAttachments"`
	Limit     string `xml:"attachmentLimitType"`
	Cards     int    `xml:"maximumEbsCards"`
}

type networkXML struct {
	Most int `xml:"maximumNetworkInterfaces"`
}

type storageXML struct {
	NVMe  string         `xml:"nvmeSupport"`
	Total int            `xml:"totalSizeInGB"`
	Disks items[diskXML] `xml:"disks"`
}

type diskXML struct {
	Count int    `xml:"count"`
	Size  int    `xml:"sizeInGB"`
	Type  string `xml:"type"`
}

func (t InstanceType) xml(name string) typeXML {
	x := typeXML{Name: name, Hypervisor: "xen", EBS: ebsInfoXML{"default", "unsupported", t.Slots, "dedicated", 1}, Network: networkXML{3}}
	if t.Nitro {
		x.Hypervisor, x.EBS.NVMe = "nitro", "required"
	}
	if t.Shared {
		x.EBS.Limit = "shared"
	}
	if t.Instances > 0 {
		x.HasStore = true
		x.Store = &storageXML{"required", 75 * t.Instances, items[diskXML]{[]diskXML{{t.Instances, 75, "ssd"}}}}
	}
	return x
}

func (c *Cloud) describeInstanceTypes(r *request) plan {
	asked, window := r.list("InstanceType"), c.window(r, 5, 100)
	filters := r.filters(func(name string) bool { return name == "instance-type" })
	for _, name := range asked {
		if _, ok := c.types()[name]; !ok {
			r.fail("InvalidInstanceType", "The following supplied instance types do not exist: [%s]", name)
		}
	}
	return plan{needs: reading("DescribeInstanceTypes"), do: func() (any, error) {
		names, next := window.cut(sortedIDs(c.types()), func(name string) bool {
			return (len(asked) == 0 || slices.Contains(asked, name)) && allMatch(filters, func(string) []string { return []string{name} })
		}, c.config.Reads.Sparse)
		found := page[typeXML]{list: "instanceTypeSet", next: next}
		for _, name := range names {
			found.of = append(found.of, c.types()[name].xml(name))
		}
		return found, nil
	}}
}

// modifyInstanceAttribute knows one of them: whether attached volumes end with the instance.
func (c *Cloud) modifyInstanceAttribute(r *request) plan {
	i := c.state.Instances[r.need("InstanceId")]
	if i == nil {
		r.fail("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", r.text("InstanceId"))
		i = &Instance{}
	}
	wanted := map[string]bool{}
	for n := 1; ; n++ {
		at := fmt.Sprintf("BlockDeviceMapping.%d.", n)
		device := r.text(at + "DeviceName")
		if device == "" {
			break
		}
		if !slices.ContainsFunc(sortedIDs(c.state.Volumes), func(id string) bool {
			v := c.state.Volumes[id]
			return v.attachedTo(i.ID) && v.Attachment.Device == device
		}) {
			r.fail("InvalidInstanceAttributeValue", "No device is currently mapped at %s", device)
		}
		wanted[device] = r.flag(at + "Ebs.DeleteOnTermination")
	}
	if len(wanted) == 0 {
		r.fail("UnsupportedOperation", "This stand-in modifies block device mappings only.")
	}
	keys := merge(c.instanceKeys(i), condition("ec2:Attribute", "BlockDeviceMapping"))
	return plan{needs: []permission{{action: r.action, resource: c.arn("instance", i.ID), keys: keys}}, do: func() (any, error) {
		for id, v := range c.state.Volumes {
			if v.attachedTo(i.ID) {
				if on, ok := wanted[v.Attachment.Device]; ok {
					v.Attachment.DeleteOnTermination = on
					c.changed(id)
				}
			}
		}
		return done{}, nil
	}}
}

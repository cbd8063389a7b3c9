package aws

import (
	"encoding/xml"
	"maps"
	"slices"
	"time"
)

// envelope puts the request's id before the elements of an answer.
type envelope struct {
	RequestID string
	Answer    any
}

// MarshalXML writes the answer's elements without one around them.
func (e envelope) MarshalXML(enc *xml.Encoder, start xml.StartElement) error {
	if err := enc.EncodeToken(start); err != nil {
		return err
	}
	if err := enc.EncodeElement(e.RequestID, xml.StartElement{Name: xml.Name{Local: "requestId"}}); err != nil {
		return err
	}
	if inline, ok := e.Answer.(interface{ elements() []element }); ok {
		for _, el := range inline.elements() {
			if err := enc.EncodeElement(el.value, xml.StartElement{Name: xml.Name{Local: el.name}}); err != nil {
				return err
			}
		}
	}
	return enc.EncodeToken(start.End())
}

type element struct {
	name  string
	value any
}

// items is one of EC2's lists; an empty one has its element, too.
type items[T any] struct {
	Item []T `xml:"item"`
}

// page of a list.
type page[T any] struct {
	list string
	of   []T
	next string
}

func (p page[T]) elements() []element {
	all := []element{{p.list, items[T]{p.of}}}
	if p.next != "" {
		all = append(all, element{"nextToken", p.next})
	}
	return all
}

type done struct{}

func (done) elements() []element { return []element{{"return", true}} }

type tagXML struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

func tagList(tags map[string]string) items[tagXML] {
	var list items[tagXML]
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list.Item = append(list.Item, tagXML{key, tags[key]})
	}
	return list
}

type attachmentXML struct {
	VolumeID            string `xml:"volumeId"`
	InstanceID          string `xml:"instanceId"`
	Device              string `xml:"device"`
	Status              string `xml:"status"`
	AttachTime          string `xml:"attachTime"`
	DeleteOnTermination bool   `xml:"deleteOnTermination"`
}

func (a attachmentXML) elements() []element {
	return []element{{"volumeId", a.VolumeID}, {"instanceId", a.InstanceID}, {"device", a.Device}, {"status", a.Status},
		{"attachTime", a.AttachTime}, {"deleteOnTermination", a.DeleteOnTermination}}
}

func attachmentOf(v *Volume) attachmentXML {
	a := v.Attachment
	return attachmentXML{v.ID, a.Instance, a.Device, string(a.State), stamp(a.Since), a.DeleteOnTermination}
}

type volumeXML struct {
	ID          string               `xml:"volumeId"`
	Size        int                  `xml:"size"`
	Snapshot    string               `xml:"snapshotId"`
	Zone        string               `xml:"availabilityZone"`
	Status      string               `xml:"status"`
	CreateTime  string               `xml:"createTime"`
	Attachments items[attachmentXML] `xml:"attachmentSet"`
	Tags        items[tagXML]        `xml:"tagSet"`
	Type        string               `xml:"volumeType"`
	IOPS        int                  `xml:"iops,omitempty"`
	Throughput  int                  `xml:"throughput,omitempty"`
	Encrypted   bool                 `xml:"encrypted"`
	KMSKey      string               `xml:"kmsKeyId,omitempty"`
	MultiAttach bool                 `xml:"multiAttachEnabled"`
}

func volumeOf(v *Volume) volumeXML {
	x := volumeXML{ID: v.ID, Size: v.SizeGiB, Zone: v.Zone, Status: string(v.State), CreateTime: stamp(v.Created), Tags: tagList(v.Tags),
		Type: v.Type, IOPS: v.IOPS, Throughput: v.ThroughputMiBs, Encrypted: v.Encrypted, KMSKey: v.KMSKey}
	if v.Attachment != nil {
		x.Attachments.Item = []attachmentXML{attachmentOf(v)}
	}
	return x
}

// elements of a volume that was just created: EC2 leaves its attachments out.
func (x volumeXML) elements() []element {
	return []element{{"volumeId", x.ID}, {"size", x.Size}, {"snapshotId", x.Snapshot}, {"availabilityZone", x.Zone}, {"status", x.Status},
		{"createTime", x.CreateTime}, {"tagSet", x.Tags}, {"volumeType", x.Type}, {"iops", x.IOPS}, {"throughput", x.Throughput},
		{"encrypted", x.Encrypted}, {"kmsKeyId", x.KMSKey}, {"multiAttachEnabled", x.MultiAttach}}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

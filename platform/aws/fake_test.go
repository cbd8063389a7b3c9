package aws

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"scaleio-framework/platform"
)

const (
	here    = "i-0123456789abcdef0"
	another = "i-0fedcba9876543210"
)

// fakeEC2 answers the real client in EC2's own language, keeps volumes, and lets tests break what they like. It is asked in process, so that
// time may stand still around it.
type fakeEC2 struct {
	mu       sync.Mutex
	volumes  []*fakeVolume
	calls    []string
	answer   func(action string, form url.Values) (code, message string) // a failure; "" = none
	lose     func(action string) error                                   // after the effect: no answer arrives
	created  time.Duration                                               // until a volume is available
	attached time.Duration
	lag      time.Duration // until reads show a write
	typeInfo string
	page     int
}

type fakeVolume struct {
	Volume
	token                string
	made, attachedAt     time.Time
	seen, seenAttachment time.Time // from then on reads show it
}

func newFake() *fakeEC2 { return &fakeEC2{page: 500} }

func (f *fakeEC2) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	action := form.Get("Action")
	f.calls = append(f.calls, action)
	if f.answer != nil {
		if code, message := f.answer(action, form); code != "" {
			return failure(code, message), nil
		}
	}
	code, answer := f.serve(action, form)
	if code != "" {
		return failure(code, answer), nil
	}
	if f.lose != nil {
		if err := f.lose(action); err != nil {
			return nil, err
		}
	}
	return response(http.StatusOK, "<"+action+"Response>"+answer+"</"+action+"Response>"), nil
}

func (f *fakeEC2) serve(action string, form url.Values) (code, answer string) {
	switch action {
	case "CreateVolume":
		return f.create(form)
	case "DescribeVolumes":
		return "", f.describe(form)
	case "DescribeInstanceTypes":
		return "", "<instanceTypeSet><item>" + f.typeInfo + "</item></instanceTypeSet>"
	}
	i := slices.IndexFunc(f.volumes, func(v *fakeVolume) bool { return v.ID == form.Get("VolumeId") })
	if action == "ModifyInstanceAttribute" {
		i = slices.IndexFunc(f.volumes, func(v *fakeVolume) bool { return v.ID == form.Get("BlockDeviceMapping.1.Ebs.VolumeId") })
	}
	if i < 0 {
		return "InvalidVolume.NotFound", "the volume does not exist"
	}
	v := f.volumes[i]
	switch action {
	case "AttachVolume":
		switch {
		case f.nameUsed(form.Get("Device")):
			return "InvalidParameterValue", "Invalid value '" + form.Get("Device") + "' for unixDevice. Attachment point is already in use"
		case len(v.Attachments) > 0:
			return "VolumeInUse", v.ID + " is already attached to an instance"
		case time.Since(v.made) < f.created:
			return "IncorrectState", v.ID + " is creating"
		}
		v.Attachments = []Attachment{{Instance: form.Get("InstanceId"), Device: form.Get("Device")}}
		v.attachedAt, v.seenAttachment = time.Now(), time.Now().Add(f.lag)
		return "", "<volumeId>" + v.ID + "</volumeId><status>attaching</status>"
	case "DetachVolume":
		if len(v.Attachments) == 0 {
			return "IncorrectState", v.ID + " is in the 'available' state"
		}
		v.Attachments = nil
	case "DeleteVolume":
		f.volumes = slices.Delete(f.volumes, i, i+1)
	case "ModifyInstanceAttribute":
		v.Attachments[0].DeleteOnTermination = form.Get("BlockDeviceMapping.1.Ebs.DeleteOnTermination") == "true"
	}
	return "", "<return>true</return>"
}

func (f *fakeEC2) nameUsed(device string) bool {
	return slices.ContainsFunc(f.volumes, func(v *fakeVolume) bool { return len(v.Attachments) > 0 && v.Attachments[0].Device == device })
}

func (f *fakeEC2) create(form url.Values) (code, answer string) {
	for _, v := range f.volumes {
		if v.token == form.Get("ClientToken") {
			return "", v.xml(f)
		}
	}
	size, _ := strconv.Atoi(form.Get("Size"))
	v := &fakeVolume{Volume: Volume{ID: fmt.Sprintf("vol-%017x", len(f.volumes)+1), Type: form.Get("VolumeType"), SizeGiB: size, Zone: form.Get("AvailabilityZone"), Tags: map[string]string{}},
		token: form.Get("ClientToken"), made: time.Now(), seen: time.Now().Add(f.lag)}
	for n := 1; form.Has(fmt.Sprintf("TagSpecification.1.Tag.%d.Key", n)); n++ {
		v.Tags[form.Get(fmt.Sprintf("TagSpecification.1.Tag.%d.Key", n))] = form.Get(fmt.Sprintf("TagSpecification.1.Tag.%d.Value", n))
	}
	f.volumes = append(f.volumes, v)
	return "", v.xml(f)
}

func (f *fakeEC2) describe(form url.Values) string {
	from, _ := strconv.Atoi(form.Get("NextToken"))
	var items strings.Builder
	n := 0
	for i, v := range f.volumes {
		if i < from || time.Now().Before(v.seen) || !v.matches(form) {
			continue
		}
		if n == f.page {
			return "<volumeSet>" + items.String() + "</volumeSet><nextToken>" + strconv.Itoa(i) + "</nextToken>"
		}
		n++
		items.WriteString("<item>" + v.xml(f) + "</item>")
	}
	return "<volumeSet>" + items.String() + "</volumeSet>"
}

func (v *fakeVolume) matches(form url.Values) bool {
	for n := 1; form.Has(fmt.Sprintf("Filter.%d.Name", n)); n++ {
		var wanted []string
		for m := 1; form.Has(fmt.Sprintf("Filter.%d.Value.%d", n, m)); m++ {
			wanted = append(wanted, form.Get(fmt.Sprintf("Filter.%d.Value.%d", n, m)))
		}
		have := ""
		switch name := form.Get(fmt.Sprintf("Filter.%d.Name", n)); {
		case name == "volume-id":
			have = v.ID
		case name == "attachment.instance-id" && len(v.Attachments) > 0:
			have = v.Attachments[0].Instance
		case strings.HasPrefix(name, "tag:"):
			have = v.Tags[strings.TrimPrefix(name, "tag:")]
		}
		if !slices.Contains(wanted, have) {
			return false
		}
	}
	return true
}

func (v *fakeVolume) xml(f *fakeEC2) string {
	state := VolumeAvailable
	switch {
	case v.State != "":
		state = v.State
	case time.Since(v.made) < f.created:
		state = VolumeCreating
	}
	var b bytes.Buffer
	if len(v.Attachments) > 0 && !time.Now().Before(v.seenAttachment) {
		state = VolumeInUse
		a := v.Attachments[0]
		if a.State == "" {
			a.State = Attached
			if time.Since(v.attachedAt) < f.attached {
				a.State = Attaching
			}
		}
		fmt.Fprintf(&b, "<attachmentSet><item><volumeId>%s</volumeId><instanceId>%s</instanceId><device>%s</device><status>%s</status><deleteOnTermination>%t</deleteOnTermination></item></attachmentSet>",
			v.ID, a.Instance, a.Device, a.State, a.DeleteOnTermination)
	}
	fmt.Fprintf(&b, "<volumeId>%s</volumeId><status>%s</status><size>%d</size><volumeType>%s</volumeType><availabilityZone>%s</availabilityZone><tagSet>", v.ID, state, v.SizeGiB, v.Type, v.Zone)
	for key, value := range v.Tags {
		b.WriteString("<item><key>")
		_ = xml.EscapeText(&b, []byte(key))
		b.WriteString("</key><value>")
		_ = xml.EscapeText(&b, []byte(value))
		b.WriteString("</value></item>")
	}
	b.WriteString("</tagSet>")
	return b.String()
}

func failure(code, message string) *http.Response {
	status := http.StatusBadRequest
	switch code {
	case "UnauthorizedOperation":
		status = http.StatusForbidden
	case "RequestLimitExceeded", "Unavailable":
		status = http.StatusServiceUnavailable
	}
	return response(status, "<Response><Errors><Error><Code>"+code+"</Code><Message>"+message+"</Message></Error></Errors><RequestID>r-1</RequestID></Response>")
}

func response(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"text/xml"}, "Date": {time.Now().UTC().Format(http.TimeFormat)}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// count of calls of one action.
func (f *fakeEC2) count(action string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c == action {
			n++
		}
	}
	return n
}

// put a volume there.
func (f *fakeEC2) put(v Volume) {
	f.volumes = append(f.volumes, &fakeVolume{Volume: v})
}

// client of the fake, with keys from a file.
func (f *fakeEC2) client(t *testing.T) *EC2 {
	t.Helper()
	root := t.TempDir()
	files := platform.NewFiles(platform.Root(root))
	if err := files.Write("/keys", []byte("[default]\naws_access_key_id = AKIDTEST\naws_secret_access_key = secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return NewEC2(EC2Options{Access: Access{CredentialsFile: "/keys"}, Files: files, HTTP: f,
		Self: func(context.Context) (Instance, error) {
			return Instance{ID: here, Type: "m5.large", Region: "eu-west-1", Zone: "eu-west-1a"}, nil
		}})
}

var order = NewVolume{ClientToken: "token-1", Zone: "eu-west-1a", Type: "gp3", SizeGiB: 100, Tags: map[string]string{"scaleio-framework/cluster": "c1", "scaleio-framework/order": "0.1"}}

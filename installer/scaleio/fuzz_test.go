package scaleio

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	types "github.com/dell/goscaleio/types/v1"

	"scaleio-framework/scheduler/api"
)

// What a gateway, or whatever stands in its place, answers.
func FuzzGatewayObjects(f *testing.F) {
	f.Add([]byte(`{"id":"1","ipList":[null,{"ip":"10.0.0.1"}],"sdsState":"RemovePending","maxCapacityInKb":1,"sdcIps":["10.0.0.1"],"capacityInUseInKb":-1}`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		var (
			sds    types.Sds
			device types.Device
			client types.Sdc
			pool   types.StoragePool
			stats  types.Statistics
		)
		for _, v := range []any{&sds, &device, &client, &pool, &stats} {
			_ = json.Unmarshal(text, v) // as far as it goes
		}
		o := Objects{SDSs: []SDSObject{sdsObject(sds)}, Devices: []DeviceObject{deviceObject(device)}, Pools: []PoolObject{poolObject(pool, &stats)}}
		sdcView(client)
		_, _ = o.SDS(sds.Name)
		o.DevicesOf(sds.ID)
	})
}

type answering []byte

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) {
	status := http.StatusOK
	if len(a) > 0 && a[0] == '{' {
		status = http.StatusInternalServerError
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(bytes.NewReader(a)), Request: r, Header: http.Header{}}, nil
}

func FuzzHostCertificate(f *testing.F) {
	f.Add([]byte(`"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"`))
	f.Add([]byte(`{"message":"Unauthorized","errorCode":401}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		admin := GatewayAdmin{Endpoint: "https://gateway", Client: &http.Client{Transport: answering(text)}}
		got, err := admin.HostCertificate(t.Context(), "10.0.0.1")
		if block, rest := pem.Decode(got); err == nil && (block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0) {
			t.Errorf("%q gives %q", text, got)
		}
		_ = refusedLogin(&http.Response{StatusCode: http.StatusForbidden, Body: io.NopCloser(bytes.NewReader(text))}, "admin")
	})
}

// What a program says on its terminal: a password is told once, to the prompt that it was made for, and is in nothing that is kept.
func FuzzConversation(f *testing.F) {
	f.Add([]byte("Enter password: "), []byte("\r\nLogged in. User role is Administrator.\r\n"))
	f.Add([]byte("Certificate info:\nPress (y) to approve this certificate: "), []byte("y"))
	f.Add([]byte("Enter password: the-password\r\nEnter "), []byte("password: "))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		const secret = "the-password"
		var told bytes.Buffer
		c := &conversation{replies: []Reply{{passwordPrompt(), api.NewSecret(secret)}}, write: &told}
		for _, said := range [][]byte{first, second} {
			c.heard.Write(said)
			before, asked := told.Len(), passwordPrompt().MatchString(c.lastLine())
			err := c.answer()
			if told.Len() > before && (!asked || told.String() != secret+"\n") {
				t.Errorf("%q and %q are told %q", first, second, told.String())
			}
			if err != nil && !errors.Is(err, errNoSuchPrompt) {
				t.Errorf("a reason that nobody knows: %v", err)
			} else if err != nil {
				break
			}
		}
		if kept := c.redacted(); strings.Contains(kept, secret) || strings.Contains(lastLines(kept), secret) {
			t.Errorf("%q keeps the password", kept)
		}
	})
}

package trust_test

import (
	"crypto/ecdsa"
	"encoding/base64"
	"testing"
	"time"

	"scaleio-framework/scheduler/trust"
)

// What strangers send before anybody knows who they are.
func FuzzParseRequest(f *testing.F) {
	f.Add("-----BEGIN CERTIFICATE REQUEST-----\nMIHKMHICAQAwADBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABA==\n-----END CERTIFICATE REQUEST-----\n")
	f.Add("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
	f.Fuzz(func(t *testing.T, text string) {
		if request, err := trust.ParseRequest(text); err == nil {
			if _, is := request.PublicKey.(*ecdsa.PublicKey); !is {
				t.Errorf("%q asks for a %T", text, request.PublicKey)
			}
		}
		_, _ = trust.ParseCertificate(text)
	})
}

func FuzzCookie(f *testing.F) {
	people := trust.NewPeople("read-token", "operator-token")
	now := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	good := people.Cookie(now)
	f.Add(good)
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, value string) {
		raw, _ := base64.RawURLEncoding.DecodeString(value) // several texts stand for the same bytes
		if people.FromCookie(value, now) != trust.Nobody && base64.RawURLEncoding.EncodeToString(raw) != good || people.Bearer(value) != trust.Nobody && value != "read-token" && value != "operator-token" {
			t.Errorf("%q lets in", value)
		}
	})
}

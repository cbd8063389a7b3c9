package gateway

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"strings"

	"scaleio-framework/test/scaleio/mgmt"
	"scaleio-framework/test/scaleio/wire"
)

// What the gateway's own administrator may do: addresses of the MDMs, and which of their certificates to trust.

func (s *Server) configuration(*request) (any, error) {
	return map[string]any{"mdmAddresses": s.opt.mdms(), "bypassCertificateCheck": s.opt.property("security.bypass_certificate_check") == "true"}, nil
}

func (s *Server) updateConfiguration(r *request) (any, error) {
	raw, err := os.ReadFile(s.opt.path(userProperties))
	if err != nil {
		return nil, err
	}
	var lines []string
	for line := range strings.Lines(string(raw)) {
		if !strings.HasPrefix(line, "mdm.ip.addresses") {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	lines = append(lines, "mdm.ip.addresses="+strings.Join(r.body.list("mdmAddresses"), ","))
	return nil, os.WriteFile(s.opt.path(userProperties), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

var errSeen = errors.New("seen")

// hostCertificate shows what an MDM presents, trusted or not.
func (s *Server) hostCertificate(r *request) (any, error) {
	host := r.URL.Query().Get("host")
	if host == "" {
		return nil, missing("host")
	}
	var seen *x509.Certificate
	look := &mgmt.Trust{Approve: func(c *x509.Certificate) error { seen = c; return errSeen }}
	for _, port := range []int{wire.PortMDMManagement, wire.PortMDMCluster} {
		ctx, cancel := context.WithTimeout(r.Context(), 2*mgmt.DialTimeout)
		conn, err := mgmt.Dial(ctx, "gateway", mgmt.Address(host, port), look)
		cancel()
		if err == nil {
			_ = conn.Close()
		}
		if seen != nil {
			return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: seen.Raw})), nil
		}
	}
	return nil, &restError{"Could not connect to MDM", 500, 377}
}

// trustCertificate takes the certificate as the multipart field "file".
func (s *Server) trustCertificate(r *request) (any, error) {
	file, _, err := r.FormFile("file")
	if err != nil {
		return nil, missing("file")
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxBody))
	if err != nil {
		return nil, err
	}
	certificate, err := parseCertificate(raw)
	if err != nil {
		return nil, &restError{"Request message is not valid: the file isn't a certificate.", 400, 0}
	}
	return nil, s.opt.addTrust(certificate)
}
